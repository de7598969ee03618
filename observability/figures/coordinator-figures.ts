import type { FigureTable } from '../metric.ts';

/** The figures of every process, and of every process of the coordinator. */
export const coordinatorFigures = {
  dinf_build_info: {
    part: 'process',
    type: 'gauge',
    help: 'Version of d-inference; the value is 1',
    labels: ['version'],
  },
  dinf_metrics_failures_total: {
    part: 'process',
    type: 'counter',
    help: 'Figures that were left out of a scrape because they could not be read',
    labels: ['metric'],
  },
  dinf_component_running: {
    part: 'coordinator',
    type: 'gauge',
    help: 'Components that this process runs; the value is 1',
    labels: ['component'],
  },
  dinf_bus_connected: {
    part: 'coordinator',
    type: 'gauge',
    help: '1 while the process is connected to a hub',
  },
  dinf_bus_reconnects_total: {
    part: 'coordinator',
    type: 'counter',
    help: 'Connections to a hub that replaced a lost one',
  },
  dinf_bus_messages_total: {
    part: 'coordinator',
    type: 'counter',
    help: 'Messages that the process exchanged with the hub',
    labels: ['direction'],
  },
  dinf_bus_bytes_total: {
    part: 'coordinator',
    type: 'counter',
    help: 'Bytes that the process exchanged with the hub',
    labels: ['direction'],
  },
  dinf_bus_handler_failures_total: {
    part: 'coordinator',
    type: 'counter',
    help: 'Messages whose handler threw an error, by method or subject',
    labels: ['method'],
  },
  dinf_bus_failed_calls_total: {
    part: 'coordinator',
    type: 'counter',
    help: 'Calls to other components that got no reply',
    labels: ['method', 'code'],
  },
  dinf_facts_waiting: {
    part: 'coordinator',
    type: 'gauge',
    help: 'Facts that no stream has stored yet',
  },
  dinf_facts_dropped_total: {
    part: 'coordinator',
    type: 'counter',
    help: 'Facts that were dropped, because too many waited',
  },
  dinf_streams_failing: {
    part: 'coordinator',
    type: 'gauge',
    help: 'Streams that store nothing although the hub is connected',
  },
  dinf_postgres_connections: {
    part: 'coordinator',
    type: 'gauge',
    help: 'Connections of the pool to Postgres',
    labels: ['state'],
  },
  dinf_postgres_waiting: {
    part: 'coordinator',
    type: 'gauge',
    help: 'Statements that wait for a connection of the pool',
  },
} as const satisfies FigureTable;
