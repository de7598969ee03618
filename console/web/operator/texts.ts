import { language } from '../texts/language.ts';
import type { Translation } from '../texts/translation.ts';
import { operatorAuditTexts } from './texts/english/audit.ts';
import { operatorBreakersTexts } from './texts/english/breakers.ts';
import { operatorBusTexts } from './texts/english/bus.ts';
import { operatorFleetTexts } from './texts/english/fleet.ts';
import { operatorFrameTexts } from './texts/english/frame.ts';
import { operatorIncidentsTexts } from './texts/english/incidents.ts';
import { operatorModelsTexts } from './texts/english/models.ts';
import { operatorMoneyTexts } from './texts/english/money.ts';
import { operatorNamesTexts } from './texts/english/names.ts';
import { operatorPeopleTexts } from './texts/english/people.ts';
import { operatorRewardsTexts } from './texts/english/rewards.ts';
import { operatorRoutingTexts } from './texts/english/routing.ts';
import { operatorTrustTexts } from './texts/english/trust.ts';
import { germanOperatorTexts } from './texts/german.ts';

const english = {
  ...operatorFrameTexts,
  ...operatorFleetTexts,
  ...operatorBreakersTexts,
  ...operatorIncidentsTexts,
  ...operatorRoutingTexts,
  ...operatorMoneyTexts,
  ...operatorRewardsTexts,
  ...operatorPeopleTexts,
  ...operatorNamesTexts,
  ...operatorModelsTexts,
  ...operatorTrustTexts,
  ...operatorBusTexts,
  ...operatorAuditTexts,
} as const;

/** All texts of the operators' pages. They are no part of the customers' texts. */
export const o: Translation<typeof english> = language === 'de' ? germanOperatorTexts : english;
