import { SETTLEMENT_ALERTS } from '#bus-schemas';
import type { FigureTable } from '../metric.ts';

/** The figures of settlement. */
export const settlementFigures = {
  dinf_settlement_holds_total: {
    part: 'settlement',
    type: 'counter',
    help: 'Requests for holds, by answer',
    labels: ['answer'],
  },
  dinf_settlement_ended_total: {
    part: 'settlement',
    type: 'counter',
    help: 'Settled and refunded jobs',
    labels: ['outcome'],
  },
  dinf_settlement_charged_micro_usd_total: {
    part: 'settlement',
    type: 'counter',
    help: 'Micro-dollars charged to consumers',
  },
  dinf_settlement_unsigned_total: {
    part: 'settlement',
    type: 'counter',
    help: 'Served jobs without a signed receipt: neither charged nor paid',
  },
  dinf_settlement_holds_open: {
    part: 'settlement',
    type: 'gauge',
    help: 'Holds whose job has not been settled',
  },
  dinf_settlement_held_micro_usd: {
    part: 'settlement',
    type: 'gauge',
    help: 'Micro-dollars in open holds',
  },
  dinf_settlement_holds_overdue: {
    part: 'settlement',
    type: 'gauge',
    help: 'Open holds that should have ended more than a minute ago',
  },
  dinf_settlement_facts_waiting: {
    part: 'settlement',
    type: 'gauge',
    help: 'Facts of the ledger that are not published yet',
  },
  dinf_settlement_facts_parked: {
    part: 'settlement',
    type: 'gauge',
    help: 'Facts of the ledger that the bus refused; `dinf ledger parked` lists them',
  },
  dinf_settlement_alerts_total: {
    part: 'settlement',
    type: 'counter',
    help: 'Conditions that need an operator, by kind; the log has a line for each',
    labels: ['kind'],
    begins: SETTLEMENT_ALERTS,
  },
} as const satisfies FigureTable;
