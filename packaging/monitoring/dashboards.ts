/**
 * The dashboards for Grafana: which figures each panel shows. `dashboards/*.json` is generated from
 * this table. Figures that several processes report alike (a router and its standby; settlement and
 * telemetry) are shown by their maximum, all others by their sum.
 */

export interface Panel {
  readonly title: string;
  /** Explains what a reader concludes from the panel. */
  readonly about?: string;
  /** A unit of Grafana, for example `reqps`, `s`, `bytes` or `percentunit`. */
  readonly unit?: string;
  /** Queries of Prometheus by their legend; `{{label}}` stands for the value of a label. */
  readonly queries: Readonly<Record<string, string>>;
  /** True if the panel is empty in a network in which nothing of that kind has happened. */
  readonly isQuiet?: boolean;
}

export interface Dashboard {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** Grafana replaces it with an interval that contains at least four scrapes. */
export const INTERVAL = '$__rate_interval';
const rate = (figure: string) => `rate(${figure}[${INTERVAL}])`;
const sumBy = (labels: string, figure: string) => `sum by (${labels}) (${figure})`;
const maxBy = (labels: string, figure: string) => `max by (${labels}) (${figure})`;
const firstContent = (share: number) =>
  `histogram_quantile(${share}, ${sumBy('le', rate('dinf_first_content_seconds_bucket'))})`;

const network: Dashboard = {
  title: 'd-inference: network',
  panels: [
    {
      title: 'Components that run',
      about: 'Each component needs at least one process.',
      queries: { '{{component}}': sumBy('component', 'dinf_component_running') },
    },
    {
      title: 'Jobs that ended',
      unit: 'reqps',
      queries: { '{{result}}': sumBy('result', rate('dinf_jobs_total')) },
    },
    {
      title: 'Tokens delivered, by model',
      unit: 'tokens/s',
      queries: { '{{model}}': sumBy('model', rate('dinf_delivered_tokens_total')) },
    },
    {
      title: 'Time to the first content',
      unit: 's',
      queries: {
        median: firstContent(0.5),
        '95 %': firstContent(0.95),
        '99 %': firstContent(0.99),
      },
    },
    {
      title: 'Requests that got an error, by code',
      unit: 'reqps',
      queries: { '{{code}}': sumBy('code', rate('dinf_http_rejected_total')) },
      isQuiet: true,
    },
    {
      title: 'Jobs and connections of each ingress',
      queries: {
        'jobs {{instance}}': sumBy('instance', 'dinf_ingress_jobs_running'),
        'connections {{instance}}': sumBy('instance', 'dinf_http_connections'),
      },
    },
    {
      title: 'Lines of batches',
      about:
        'Delayed lines are tried again; `no_provider` and `saturated` mean that no machine is idle.',
      unit: 'reqps',
      queries: {
        '{{outcome}}': sumBy('outcome', rate('dinf_batch_lines_total')),
        'delayed: {{code}}': sumBy('code', rate('dinf_batch_line_delays_total')),
      },
      isQuiet: true,
    },
    {
      title: 'Connections refused because too many were open',
      unit: 'reqps',
      queries: { '{{instance}}': sumBy('instance', rate('dinf_http_connections_refused_total')) },
      isQuiet: true,
    },
    {
      title: 'Connected to a hub',
      queries: { '{{instance}}': 'dinf_bus_connected' },
    },
    {
      title: 'Messages on the bus',
      unit: 'mps',
      queries: { '{{instance}} {{direction}}': rate('dinf_bus_messages_total') },
    },
    {
      title: 'Calls between components that failed',
      unit: 'reqps',
      queries: {
        '{{method}} {{code}}': sumBy('method, code', rate('dinf_bus_failed_calls_total')),
      },
      isQuiet: true,
    },
    {
      title: 'Handlers of messages that failed',
      unit: 'reqps',
      queries: { '{{method}}': sumBy('method', rate('dinf_bus_handler_failures_total')) },
      isQuiet: true,
    },
    {
      title: 'Streams: share of their maximum size',
      about: 'A full stream removes its oldest facts.',
      unit: 'percentunit',
      queries: {
        '{{stream}}': `${maxBy('stream', 'dinf_stream_bytes')} / ${maxBy('stream', 'dinf_stream_max_bytes')}`,
      },
    },
    {
      title: 'Facts that consumers have not read',
      queries: {
        '{{consumer}} of {{stream}}': maxBy('stream, consumer', 'dinf_consumer_waiting'),
        '{{consumer}} of {{stream}}, unacknowledged': maxBy(
          'stream, consumer',
          'dinf_consumer_unacknowledged',
        ),
      },
    },
    {
      title: 'Facts that no stream has stored',
      queries: { '{{instance}}': 'dinf_facts_waiting' },
    },
    {
      title: 'Connections to Postgres',
      queries: {
        '{{instance}} {{state}}': 'dinf_postgres_connections',
        '{{instance}} statements waiting': 'dinf_postgres_waiting',
      },
    },
    {
      title: 'Delay of the event loop, 99 %',
      unit: 's',
      queries: { '{{instance}}': 'nodejs_eventloop_lag_p99_seconds' },
    },
    {
      title: 'Share of time in garbage collection',
      unit: 'percentunit',
      queries: { '{{instance}}': sumBy('instance', rate('nodejs_gc_duration_seconds_sum')) },
    },
    {
      title: 'Processor time',
      about: 'Seconds of processor time in a second.',
      queries: { '{{instance}}': rate('process_cpu_seconds_total') },
    },
    {
      title: 'Memory',
      unit: 'bytes',
      queries: { '{{instance}}': 'process_resident_memory_bytes' },
    },
    {
      title: 'Days until the certificate of the API expires',
      unit: 'd',
      queries: {
        '{{instance}}': '(dinf_https_certificate_expires_seconds - time()) / 86400',
      },
      isQuiet: true,
    },
  ],
};

const money: Dashboard = {
  title: 'd-inference: money',
  panels: [
    {
      title: 'Requests for holds, by answer',
      unit: 'reqps',
      queries: { '{{answer}}': sumBy('answer', rate('dinf_settlement_holds_total')) },
    },
    {
      title: 'Jobs settled and refunded',
      unit: 'reqps',
      queries: { '{{outcome}}': sumBy('outcome', rate('dinf_settlement_ended_total')) },
    },
    {
      title: 'Charged in an hour',
      unit: 'currencyUSD',
      queries: { dollars: 'sum(increase(dinf_settlement_charged_micro_usd_total[1h])) / 1e6' },
    },
    {
      title: 'Open holds',
      about: 'Holds are overdue if their job should have ended more than a minute ago.',
      queries: {
        open: 'max(dinf_settlement_holds_open)',
        overdue: 'max(dinf_settlement_holds_overdue)',
      },
    },
    {
      title: 'Money in open holds',
      unit: 'currencyUSD',
      queries: { dollars: 'max(dinf_settlement_held_micro_usd) / 1e6' },
    },
    {
      title: 'Served jobs without a signed receipt, which are not charged',
      unit: 'reqps',
      queries: { jobs: `sum(${rate('dinf_settlement_unsigned_total')})` },
    },
    {
      title: 'Facts of the ledger that are not published',
      queries: {
        waiting: 'max(dinf_settlement_facts_waiting)',
        parked: 'max(dinf_settlement_facts_parked)',
      },
    },
    {
      title: 'Alerts of settlement in an hour',
      queries: { '{{kind}}': sumBy('kind', 'increase(dinf_settlement_alerts_total[1h])') },
    },
    {
      title: 'Recounts of answers',
      unit: 'reqps',
      queries: { '{{outcome}}': sumBy('outcome', rate('dinf_recounts_total')) },
      isQuiet: true,
    },
  ],
};

const routing: Dashboard = {
  title: 'd-inference: routing',
  panels: [
    {
      title: 'Decisions',
      unit: 'reqps',
      queries: { '{{outcome}}': sumBy('outcome', rate('dinf_routing_decisions_total')) },
    },
    {
      title: 'Queue',
      queries: {
        'waiting {{instance}}': 'dinf_routing_queue',
        'limit {{instance}}': 'dinf_routing_queue_depth',
      },
    },
    {
      title: 'Leading routers',
      about: 'Each cell needs exactly one.',
      queries: { '{{instance}}': 'dinf_routing_leading' },
    },
    {
      title: 'Slots promised to jobs, and answers that machines generate',
      queries: {
        'promised {{instance}}': 'dinf_routing_reservations',
        'generated {{instance}}': 'dinf_routing_sequences',
      },
    },
    {
      title: 'Slots in memory',
      queries: { '{{instance}}': 'dinf_routing_slots_kept' },
    },
    {
      title: 'Attempts that failed, by reason',
      unit: 'reqps',
      queries: { '{{failure}}': sumBy('failure', rate('dinf_attempts_failed_total')) },
    },
    {
      title: 'Messages of machines that were rejected',
      unit: 'mps',
      queries: { '{{kind}}': sumBy('kind', rate('dinf_routing_rejected_messages_total')) },
      isQuiet: true,
    },
    {
      title: 'Records of machines that are not written',
      queries: { '{{instance}}': 'dinf_routing_records_unwritten' },
    },
    {
      title: 'Statements for records that failed',
      unit: 'reqps',
      queries: { '{{work}}': sumBy('work', rate('dinf_routing_record_failures_total')) },
      isQuiet: true,
    },
  ],
};

const fleet: Dashboard = {
  title: 'd-inference: fleet',
  panels: [
    {
      title: 'Providers that each router knows',
      queries: { '{{instance}}': 'dinf_routing_providers' },
    },
    {
      title: 'Builds on machines, by state',
      queries: { '{{state}}': maxBy('state', 'dinf_routing_slots') },
    },
    {
      title: 'Links of leaves, and providers of the process',
      about: 'Each provider needs one link to a hub.',
      queries: {
        'links {{instance}}': 'dinf_leaf_links',
        'providers {{instance}}': 'dinf_machine_providers',
      },
    },
    {
      title: 'Round trip to the hub',
      unit: 's',
      queries: { '{{instance}}': 'dinf_leaf_round_trip_seconds' },
    },
    {
      title: 'Traffic of the leaves',
      unit: 'Bps',
      queries: { '{{instance}} {{direction}}': rate('dinf_leaf_bytes_total') },
    },
    {
      title: 'Messages of the leaves',
      unit: 'mps',
      queries: { '{{instance}} {{direction}}': rate('dinf_leaf_messages_total') },
    },
    {
      title: 'Jobs on the machines',
      queries: { '{{instance}}': 'dinf_machine_jobs_running' },
    },
    {
      title: 'Builds, as the machines report them',
      queries: { '{{state}}': sumBy('state', 'dinf_machine_slots') },
    },
    {
      title: 'Receipts without an acknowledgement',
      queries: { '{{instance}}': 'dinf_machine_receipts_waiting' },
    },
  ],
};

const trust: Dashboard = {
  title: 'd-inference: trust',
  panels: [
    {
      title: 'Machines, by standing',
      queries: { '{{standing}}': maxBy('standing', 'dinf_trust_machines') },
    },
    {
      title: 'Verdicts',
      unit: 'reqps',
      queries: { '{{standing}}': sumBy('standing', rate('dinf_trust_verdicts_total')) },
    },
    {
      title: 'Violations of the protocol in an hour',
      queries: { '{{violation}}': sumBy('violation', 'increase(dinf_violations_total[1h])') },
    },
    {
      title: 'Renewals of leaf credentials',
      unit: 'reqps',
      queries: { '{{outcome}}': sumBy('outcome', rate('dinf_trust_renewals_total')) },
      isQuiet: true,
    },
    {
      title: 'Second connections with the same credentials, in an hour',
      queries: { connections: 'sum(increase(dinf_trust_second_connections_total[1h]))' },
    },
    {
      title: 'Hubs that ended without an announcement, in an hour',
      queries: { hubs: 'sum(increase(dinf_trust_lost_hubs_total[1h]))' },
    },
    {
      title: 'Attestations of devices through MDM',
      unit: 'reqps',
      queries: { '{{outcome}}': sumBy('outcome', rate('dinf_trust_mdm_total')) },
      isQuiet: true,
    },
    {
      title: 'Correction of the clock of trust',
      unit: 'ms',
      queries: { '{{instance}}': 'dinf_trust_clock_correction_ms' },
    },
  ],
};

export const DASHBOARDS: Readonly<Record<string, Dashboard>> = {
  network,
  money,
  routing,
  fleet,
  trust,
};
