import { ATTEMPT_FAILURES, eventStreams, MACHINE_FAULTS, VIOLATIONS } from '#bus-schemas';
import type { FigureTable } from '../metric.ts';

const FIRST_CONTENT_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** The figures of telemetry, and of the streams and consumers that it shares with settlement. */
export const telemetryFigures = {
  dinf_jobs_total: {
    part: 'telemetry',
    type: 'counter',
    help: 'Jobs that ended',
    labels: ['model', 'result'],
  },
  dinf_delivered_tokens_total: {
    part: 'telemetry',
    type: 'counter',
    help: 'Completion tokens that reached an ingress',
    labels: ['model'],
  },
  dinf_first_content_seconds: {
    part: 'telemetry',
    type: 'histogram',
    help: 'Seconds from the receipt of a request to its first content',
    labels: ['model'],
    buckets: FIRST_CONTENT_BUCKETS,
  },
  dinf_attempts_failed_total: {
    part: 'telemetry',
    type: 'counter',
    help: 'Attempts that failed',
    labels: ['failure'],
    begins: ATTEMPT_FAILURES,
  },
  dinf_violations_total: {
    part: 'telemetry',
    type: 'counter',
    help: 'Protocol violations by providers',
    labels: ['violation'],
    begins: VIOLATIONS,
  },
  dinf_machine_faults_total: {
    part: 'telemetry',
    type: 'counter',
    help: 'Faults that machines reported of themselves',
    labels: ['kind'],
    begins: MACHINE_FAULTS,
  },
  dinf_telemetry_rejected_reports_total: {
    part: 'telemetry',
    type: 'counter',
    help: 'Reports of machines that were too large, too many or not readable',
  },
  dinf_telemetry_facts_lost_total: {
    part: 'telemetry',
    type: 'counter',
    help: 'Facts that JetStream removed before telemetry had read them',
    labels: ['stream'],
    begins: eventStreams.map(({ name }) => name),
  },
  dinf_stream_messages: {
    part: 'facts',
    type: 'gauge',
    help: 'Facts in a stream',
    labels: ['stream'],
  },
  dinf_stream_bytes: {
    part: 'facts',
    type: 'gauge',
    help: 'Size of a stream',
    labels: ['stream'],
  },
  dinf_stream_max_bytes: {
    part: 'facts',
    type: 'gauge',
    help: 'Size at which a stream removes its oldest facts',
    labels: ['stream'],
  },
  dinf_consumer_waiting: {
    part: 'facts',
    type: 'gauge',
    help: 'Facts that a durable consumer has not read yet',
    labels: ['stream', 'consumer'],
  },
  dinf_consumer_unacknowledged: {
    part: 'facts',
    type: 'gauge',
    help: 'Facts that a durable consumer has read and not acknowledged',
    labels: ['stream', 'consumer'],
  },
  dinf_consumer_redelivered: {
    part: 'facts',
    type: 'gauge',
    help: 'Unacknowledged facts that were delivered more than once',
    labels: ['stream', 'consumer'],
  },
} as const satisfies FigureTable;
