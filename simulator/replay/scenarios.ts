import { type Ailment, ailments } from '../ailment.ts';
import type { ReplayedNetworkOptions } from './replayed-network.ts';

/** An event that affects a random share of the fleet, beginning at `minute`. */
export interface Incident {
  readonly minute: number;
  /** Minute at which the incident ends; if absent, it lasts to the end of the scenario. */
  readonly untilMinute?: number;
  readonly share: number;
  readonly ailment?: Ailment;
  /** Each affected machine disappears for this time, starting at a random moment of the minute. */
  readonly sleepSeconds?: number;
  /** If true, the incident repeats every minute with newly drawn machines. */
  readonly everyMinute?: boolean;
}

/** How clients react to a refusal. */
export interface Clients {
  /** Maximum number of retries of one request. */
  readonly retries: number;
  /** Fixed wait before a retry, in milliseconds. If absent, clients obey the Retry-After header. */
  readonly retryMs?: number;
}

export interface Scenario {
  readonly macs: number;
  readonly concurrency: number;
  readonly minutes: number;
  /** Requests per second as a share of the number that the fleet can serve. */
  readonly load: number;
  readonly clients: Clients;
  readonly times?: Partial<ReplayedNetworkOptions['times']>;
  readonly incidents: readonly Incident[];
  readonly queueDepth?: ReplayedNetworkOptions['queueDepth'];
  /** Owners let their computers sleep, limit the hours, and use them (owners.ts). */
  readonly owners?: boolean;
}

/** The default of OpenAI's SDK. */
const SDK: Clients = { retries: 2 };

const usual = {
  macs: 200,
  concurrency: 8,
  minutes: 20,
  load: 0.6,
  clients: SDK,
  incidents: [],
} as const;

/** Incidents from the production of a comparable network, and incidents that every fleet has. */
export const scenarios = {
  calm: { ...usual },
  /** A mixed fleet gets four fifths of the requests that it can serve. */
  'four-fifths': { ...usual, load: 0.8 },
  /**
   * All answers begin after their deadline, on every machine. If the ingress abandoned them, they
   * would begin again on other machines and be late there too.
   */
  'deadline-cascade': {
    ...usual,
    times: { firstContentMs: 4_000 },
    incidents: [{ minute: 5, untilMinute: 15, share: 1, ailment: ailments.late }],
  },
  /** Every machine restarts within one minute. */
  'fleet-upgrade': { ...usual, incidents: [{ minute: 8, share: 1, sleepSeconds: 15 }] },
  /** A tenth of the fleet announces free capacity and refuses every job at once. */
  'black-hole': {
    ...usual,
    incidents: [{ minute: 5, untilMinute: 15, share: 0.1, ailment: ailments['black-hole'] }],
  },
  /** Every minute a tenth of the fleet disappears for half a minute. */
  churn: {
    ...usual,
    incidents: [{ minute: 3, untilMinute: 18, share: 0.1, sleepSeconds: 30, everyMinute: true }],
  },
  /** There are more requests than the fleet can serve. */
  overload: { ...usual, macs: 80, minutes: 8, load: 1.3, clients: { retries: 0 } },
  /**
   * There are more requests than the fleet can serve, and every refused request is retried at once.
   */
  'retry-storm': {
    ...usual,
    macs: 80,
    minutes: 8,
    load: 1.3,
    clients: { retries: 10, retryMs: 200 },
  },
  /** A tenth of the fleet announces ten times its real speed. */
  boasters: {
    ...usual,
    incidents: [{ minute: 2, share: 0.1, ailment: ailments.boaster }],
  },
  /**
   * Two fifths of the machines slow down to half their speed after a minute of work. They announce
   * their full speed, and report their temperature.
   */
  heat: {
    ...usual,
    incidents: [{ minute: 2, share: 0.4, ailment: ailments.hot }],
  },
  /** A third of the machines save power and run at half their speed, and report it. */
  'low-power': {
    ...usual,
    incidents: [{ minute: 2, share: 0.33, ailment: ailments.saving }],
  },
  /** On a third of the machines other programs use the processor, and they report it. */
  disturbed: {
    ...usual,
    incidents: [{ minute: 2, share: 0.33, ailment: ailments.disturbed }],
  },
  /** On a third of the fleet another program takes nearly all of the memory. */
  squeeze: {
    ...usual,
    incidents: [{ minute: 5, untilMinute: 15, share: 0.33, ailment: ailments.squeezed }],
  },
  /** One machine in twenty accepts jobs and never sends a token. */
  stalls: {
    ...usual,
    incidents: [{ minute: 5, untilMinute: 15, share: 0.05, ailment: ailments.stalls }],
  },
  /** A tenth of the fleet begins answers late and ignores cancellations. */
  zombies: {
    ...usual,
    incidents: [
      { minute: 5, untilMinute: 15, share: 0.1, ailment: { lateMs: 15_000, ignoresCancels: true } },
    ],
  },
  /**
   * A day on which computers sleep, schedules exclude hours, and owners use their computers. The
   * requests are three fifths of those that the machines can serve that are left.
   */
  owners: { ...usual, macs: 60, minutes: 1_440, owners: true },
} as const satisfies Record<string, Scenario>;

export type ScenarioName = keyof typeof scenarios;
export const scenarioNames = Object.keys(scenarios) as ScenarioName[];
