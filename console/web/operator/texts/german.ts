import { germanOperatorAuditTexts } from './german/audit.ts';
import { germanOperatorBreakersTexts } from './german/breakers.ts';
import { germanOperatorBusTexts } from './german/bus.ts';
import { germanOperatorFleetTexts } from './german/fleet.ts';
import { germanOperatorFrameTexts } from './german/frame.ts';
import { germanOperatorIncidentsTexts } from './german/incidents.ts';
import { germanOperatorModelsTexts } from './german/models.ts';
import { germanOperatorMoneyTexts } from './german/money.ts';
import { germanOperatorNamesTexts } from './german/names.ts';
import { germanOperatorPeopleTexts } from './german/people.ts';
import { germanOperatorRewardsTexts } from './german/rewards.ts';
import { germanOperatorRoutingTexts } from './german/routing.ts';
import { germanOperatorTrustTexts } from './german/trust.ts';

/** All German texts of the operators' pages. */
export const germanOperatorTexts = {
  ...germanOperatorAuditTexts,
  ...germanOperatorBusTexts,
  ...germanOperatorFleetTexts,
  ...germanOperatorFrameTexts,
  ...germanOperatorModelsTexts,
  ...germanOperatorMoneyTexts,
  ...germanOperatorPeopleTexts,
  ...germanOperatorNamesTexts,
  ...germanOperatorBreakersTexts,
  ...germanOperatorIncidentsTexts,
  ...germanOperatorRewardsTexts,
  ...germanOperatorRoutingTexts,
  ...germanOperatorTrustTexts,
};
