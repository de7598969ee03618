import type { FigureTable } from '../metric.ts';

/** The figures of providers and simulated fleets. */
export const machineFigures = {
  dinf_machine_providers: {
    part: 'machine',
    type: 'gauge',
    help: 'Providers in this process: 1, or the size of a simulated fleet',
  },
  dinf_machine_jobs_running: {
    part: 'machine',
    type: 'gauge',
    help: 'Jobs that run, or whose last frames are not acknowledged yet',
  },
  dinf_machine_slots: {
    part: 'machine',
    type: 'gauge',
    help: 'Builds of the providers of this process, by their state',
    labels: ['state'],
  },
  dinf_machine_receipts_waiting: {
    part: 'machine',
    type: 'gauge',
    help: 'Receipts that settlement has not acknowledged yet',
  },
  dinf_leaf_links: {
    part: 'machine',
    type: 'gauge',
    help: 'Links of the leaves of this process to a hub; each provider has one',
  },
  dinf_leaf_round_trip_seconds: {
    part: 'machine',
    type: 'gauge',
    help: 'Longest round trip between a leaf of this process and its hub',
  },
  dinf_leaf_messages_total: {
    part: 'machine',
    type: 'counter',
    help: 'Messages on the present links of the leaves; it begins at 0 with each new link',
    labels: ['direction'],
  },
  dinf_leaf_bytes_total: {
    part: 'machine',
    type: 'counter',
    help: 'Bytes on the present links of the leaves; it begins at 0 with each new link',
    labels: ['direction'],
  },
} as const satisfies FigureTable;
