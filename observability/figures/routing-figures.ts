import type { FigureTable } from '../metric.ts';

/** The figures of routing. */
export const routingFigures = {
  dinf_routing_leading: {
    part: 'routing',
    type: 'gauge',
    help: '1 while this router has the lease of its cell; the figures of a standby count the same fleet',
  },
  dinf_routing_decisions_total: {
    part: 'routing',
    type: 'counter',
    help: 'Jobs placed, queued and refused',
    labels: ['outcome'],
  },
  dinf_routing_queue: {
    part: 'routing',
    type: 'gauge',
    help: 'Jobs that wait for a slot',
  },
  dinf_routing_queue_depth: {
    part: 'routing',
    type: 'gauge',
    help: 'Jobs that may wait for a slot at most',
  },
  dinf_routing_providers: {
    part: 'routing',
    type: 'gauge',
    help: 'Providers known to this router',
  },
  dinf_routing_slots: {
    part: 'routing',
    type: 'gauge',
    help: 'Builds on machines, by their state',
    labels: ['state'],
  },
  dinf_routing_sequences: {
    part: 'routing',
    type: 'gauge',
    help: 'Answers that the machines generate, as they report them',
  },
  dinf_routing_reservations: {
    part: 'routing',
    type: 'gauge',
    help: 'Slots promised to jobs',
  },
  dinf_routing_slots_kept: {
    part: 'routing',
    type: 'gauge',
    help: 'Slots that are kept in memory: listed by a machine, or holding a job',
  },
  dinf_routing_rejected_messages_total: {
    part: 'routing',
    type: 'counter',
    help: 'Messages of machines about themselves that were rejected: too many, or too large',
    labels: ['kind'],
  },
  dinf_routing_record_failures_total: {
    part: 'routing',
    type: 'counter',
    help: 'Statements for the records of machines that failed',
    labels: ['work'],
  },
  dinf_routing_records_unwritten: {
    part: 'routing',
    type: 'gauge',
    help: 'Machines whose record has changed since it was written',
  },
} as const satisfies FigureTable;
