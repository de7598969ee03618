import { chatTexts } from './texts/english/chat.ts';
import { earningsTexts } from './texts/english/earnings.ts';
import { frameTexts } from './texts/english/frame.ts';
import { keysTexts } from './texts/english/keys.ts';
import { machinesTexts } from './texts/english/machines.ts';
import { modelsTexts } from './texts/english/models.ts';
import { moneyTexts } from './texts/english/money.ts';
import { overviewTexts } from './texts/english/overview.ts';
import { publicTexts } from './texts/english/public.ts';
import { quickStartTexts } from './texts/english/quick-start.ts';
import { requestsTexts } from './texts/english/requests.ts';
import { rewardTexts } from './texts/english/rewards.ts';
import { signInTexts } from './texts/english/sign-in.ts';
import { germanTexts } from './texts/german.ts';
import { language } from './texts/language.ts';
import type { Translation } from './texts/translation.ts';

const english = {
  ...frameTexts,
  ...signInTexts,
  ...overviewTexts,
  ...requestsTexts,
  ...keysTexts,
  ...chatTexts,
  ...modelsTexts,
  ...quickStartTexts,
  ...moneyTexts,
  ...machinesTexts,
  ...earningsTexts,
  ...rewardTexts,
  ...publicTexts,
} as const;

/** All texts of the console in the language of the person. */
export const t: Translation<typeof english> = language === 'de' ? germanTexts : english;
