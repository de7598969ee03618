import { germanChatTexts } from './german/chat.ts';
import { germanEarningsTexts } from './german/earnings.ts';
import { germanFrameTexts } from './german/frame.ts';
import { germanKeysTexts } from './german/keys.ts';
import { germanMachinesTexts } from './german/machines.ts';
import { germanModelsTexts } from './german/models.ts';
import { germanMoneyTexts } from './german/money.ts';
import { germanOverviewTexts } from './german/overview.ts';
import { germanPublicTexts } from './german/public.ts';
import { germanQuickStartTexts } from './german/quick-start.ts';
import { germanRequestsTexts } from './german/requests.ts';
import { germanRewardTexts } from './german/rewards.ts';
import { germanSignInTexts } from './german/sign-in.ts';

/** All German texts. */
export const germanTexts = {
  ...germanChatTexts,
  ...germanEarningsTexts,
  ...germanFrameTexts,
  ...germanKeysTexts,
  ...germanMachinesTexts,
  ...germanModelsTexts,
  ...germanMoneyTexts,
  ...germanOverviewTexts,
  ...germanPublicTexts,
  ...germanQuickStartTexts,
  ...germanRequestsTexts,
  ...germanRewardTexts,
  ...germanSignInTexts,
};
