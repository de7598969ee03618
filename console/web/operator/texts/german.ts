import { germanAuditTexts } from './german/audit.ts';
import { germanBusTexts } from './german/bus.ts';
import { germanFleetTexts } from './german/fleet.ts';
import { germanFrameTexts } from './german/frame.ts';
import { germanModelsTexts } from './german/models.ts';
import { germanMoneyTexts } from './german/money.ts';
import { germanPeopleTexts } from './german/people.ts';
import { germanRoutingTexts } from './german/routing.ts';
import { germanTrustTexts } from './german/trust.ts';

/** All German texts of the operators' pages. */
export const germanTexts = {
  ...germanAuditTexts,
  ...germanBusTexts,
  ...germanFleetTexts,
  ...germanFrameTexts,
  ...germanModelsTexts,
  ...germanMoneyTexts,
  ...germanPeopleTexts,
  ...germanRoutingTexts,
  ...germanTrustTexts,
};
