import { language } from '../texts/language.ts';
import type { Translation } from '../texts/translation.ts';
import { auditTexts } from './texts/english/audit.ts';
import { busTexts } from './texts/english/bus.ts';
import { fleetTexts } from './texts/english/fleet.ts';
import { frameTexts } from './texts/english/frame.ts';
import { modelsTexts } from './texts/english/models.ts';
import { moneyTexts } from './texts/english/money.ts';
import { peopleTexts } from './texts/english/people.ts';
import { routingTexts } from './texts/english/routing.ts';
import { trustTexts } from './texts/english/trust.ts';
import { germanTexts } from './texts/german.ts';

const english = {
  ...frameTexts,
  ...fleetTexts,
  ...routingTexts,
  ...moneyTexts,
  ...peopleTexts,
  ...modelsTexts,
  ...trustTexts,
  ...busTexts,
  ...auditTexts,
} as const;

/** All texts of the operators' pages. They are no part of the customers' texts. */
export const o: Translation<typeof english> = language === 'de' ? germanTexts : english;
