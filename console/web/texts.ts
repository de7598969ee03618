import { chatTexts } from './texts/english/chat.ts';
import { earningsTexts } from './texts/english/earnings.ts';
import { frameTexts } from './texts/english/frame.ts';
import { keysTexts } from './texts/english/keys.ts';
import { machinesTexts } from './texts/english/machines.ts';
import { modelsTexts } from './texts/english/models.ts';
import { moneyTexts } from './texts/english/money.ts';
import { overviewTexts } from './texts/english/overview.ts';
import { quickStartTexts } from './texts/english/quick-start.ts';
import { requestsTexts } from './texts/english/requests.ts';
import { signInTexts } from './texts/english/sign-in.ts';

/** All texts of the console, so that another language is another object of this shape. */
export const t = {
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
} as const;
