import { STANDINGS } from '#bus-schemas';
import type { FigureTable } from '../metric.ts';

/** The figures of trust. */
export const trustFigures = {
  dinf_trust_machines: {
    part: 'trust',
    type: 'gauge',
    help: 'Enrolled machines, by standing',
    labels: ['standing'],
  },
  dinf_trust_verdicts_total: {
    part: 'trust',
    type: 'counter',
    help: 'Verdicts on machines',
    labels: ['standing'],
    begins: STANDINGS,
  },
  dinf_trust_renewals_total: {
    part: 'trust',
    type: 'counter',
    help: 'Requests of machines for new leaf credentials',
    labels: ['outcome'],
  },
  dinf_trust_second_connections_total: {
    part: 'trust',
    type: 'counter',
    help: 'Leaf connections that a hub refused or ended because another one has the same credentials',
  },
  dinf_trust_mdm_total: {
    part: 'trust',
    type: 'counter',
    help: 'Outcomes of the requests for attestations through MDM',
    labels: ['outcome'],
  },
  dinf_trust_lost_hubs_total: {
    part: 'trust',
    type: 'counter',
    help: 'Hubs that ended without an announcement and were announced by trust',
  },
  dinf_trust_clock_correction_ms: {
    part: 'trust',
    type: 'gauge',
    help: 'Milliseconds that trust adds to its own clock, because two others agree against it',
  },
} as const satisfies FigureTable;
