import {
  ATTEMPT_FAILURES,
  eventStreams,
  SETTLEMENT_ALERTS,
  STANDINGS,
  VIOLATIONS,
} from '#bus-schemas';

/**
 * All figures that the processes of d-inference offer to Prometheus. docs/operating/metrics.md is
 * generated from this table, and dashboards and alert rules may only use names that are in it.
 *
 * No label may name an account, a key, a machine or a job, or hold free text: each value of a label
 * is a time series that Prometheus and this process keep, so the values must be few and fixed.
 */

/** The part of the program that measures a figure. */
export const PARTS = {
  process: 'Every process',
  coordinator: 'Every process of the coordinator',
  ingress: 'Ingress',
  routing: 'Routing',
  settlement: 'Settlement',
  facts: 'Settlement and telemetry; both report the same figures',
  telemetry: 'Telemetry',
  trust: 'Trust',
  machine: 'Providers and simulated fleets',
} as const;

/** The meaning of each label, and the values that it may have. */
export const LABELS = {
  answer: '`held`, or the reason of the refusal',
  code: 'code of an error, of the fixed list in the program',
  component: 'component of the coordinator',
  consumer: 'durable consumer',
  direction: '`in` or `out`',
  failure: 'reason of a failed attempt, of the fixed list in the program',
  kind: 'kind, of the fixed list in the program',
  method: 'method of a component, or subject of a fact',
  metric: 'name of a figure in this table',
  model: 'name of a model; `other` after the first 1,000 names',
  outcome: 'outcome, of the fixed list in the program',
  result: 'result of a job: `completed`, `cut_short`, `client_gone`, `failed`',
  standing: 'standing of a machine in trust',
  state: 'state, of the fixed list in the program',
  stream: 'stream of JetStream',
  version: 'version of d-inference',
  violation: 'kind of a violation, of the fixed list in the program',
  work: '`read` or `write`',
} as const;

type Label = keyof typeof LABELS;

export interface Metric {
  readonly part: keyof typeof PARTS;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels?: readonly Label[];
  /**
   * Values of the only label for which the counter begins at 0. Without them the first event would
   * make a new time series, in which Prometheus sees no increase.
   */
  readonly begins?: readonly string[];
  /** Upper limits of the buckets of a histogram. */
  readonly buckets?: readonly number[];
}

const FIRST_CONTENT_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export const METRICS = {
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

  dinf_ingress_jobs_running: {
    part: 'ingress',
    type: 'gauge',
    help: 'Jobs that run on this ingress',
  },
  dinf_http_rejected_total: {
    part: 'ingress',
    type: 'counter',
    help: 'Requests that got an error instead of an answer, by its code',
    labels: ['code'],
  },
  dinf_http_connections: {
    part: 'ingress',
    type: 'gauge',
    help: 'Open connections of clients',
  },
  dinf_http_connections_refused_total: {
    part: 'ingress',
    type: 'counter',
    help: 'Connections closed because too many were open',
  },
  dinf_https_certificate_expires_seconds: {
    part: 'ingress',
    type: 'gauge',
    help: 'Time at which the certificate of the API expires, in seconds since 1970',
  },
  dinf_recounts_total: {
    part: 'ingress',
    type: 'counter',
    help: 'Answers that were to be recounted with the tokenizer of their model',
    labels: ['outcome'],
  },

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
} as const satisfies Record<`dinf_${string}`, Metric>;

export type MetricName = keyof typeof METRICS;
