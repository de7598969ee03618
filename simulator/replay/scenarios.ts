import { type Ailment, ailments } from '../ailment.ts';
import type { Times, WorldOptions } from './world.ts';

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
  readonly what: string;
  readonly macs: number;
  readonly concurrency: number;
  readonly minutes: number;
  /** Requests per second as a share of the number that the fleet can serve. */
  readonly load: number;
  readonly clients: Clients;
  readonly times?: Partial<Times>;
  readonly incidents: readonly Incident[];
  readonly queueDepth?: WorldOptions['queueDepth'];
}

/** The default of OpenAI's SDK. */
const SDK: Clients = { retries: 2 };

const usual = { macs: 200, concurrency: 8, minutes: 20, load: 0.6, clients: SDK, incidents: [] } as const;

/** Incidents from the production of a comparable network, and incidents that every fleet has. */
export const scenarios = {
  calm: { ...usual, what: 'nothing happens' },
  'four-fifths': { ...usual, what: 'a fleet of all kinds at four fifths of what it can do', load: 0.8 },
  'deadline-cascade': {
    ...usual,
    what: 'answers begin later than their deadline allows, on every machine: cut off, they would be begun again elsewhere, in vain',
    times: { firstContentMs: 4_000 },
    incidents: [{ minute: 5, untilMinute: 15, share: 1, ailment: ailments.late }],
  },
  'fleet-upgrade': { ...usual, what: 'every machine is started anew within one minute', incidents: [{ minute: 8, share: 1, sleepSeconds: 15 }] },
  'black-hole': {
    ...usual,
    what: 'a tenth of the fleet says that it has room and refuses every job at once',
    incidents: [{ minute: 5, untilMinute: 15, share: 0.1, ailment: ailments['black-hole'] }],
  },
  churn: {
    ...usual,
    what: 'a tenth of the fleet goes to sleep every minute, for half a minute',
    incidents: [{ minute: 3, untilMinute: 18, share: 0.1, sleepSeconds: 30, everyMinute: true }],
  },
  overload: { ...usual, macs: 80, minutes: 8, what: 'more is asked than the fleet can do', load: 1.3, clients: { retries: 0 } },
  'retry-storm': {
    ...usual,
    macs: 80,
    minutes: 8,
    what: 'more is asked than the fleet can do, and every refusal is asked again at once',
    load: 1.3,
    clients: { retries: 10, retryMs: 200 },
  },
  boasters: {
    ...usual,
    what: 'a tenth of the fleet says that it is ten times as fast as it is',
    incidents: [{ minute: 2, share: 0.1, ailment: ailments.boaster }],
  },
  heat: {
    ...usual,
    what: 'two machines in five run at half their speed once they have worked for a minute, and do not say so',
    incidents: [{ minute: 2, share: 0.4, ailment: ailments.hot }],
  },
  squeeze: {
    ...usual,
    what: 'on a third of the fleet something else takes nearly all of the memory',
    incidents: [{ minute: 5, untilMinute: 15, share: 0.33, ailment: ailments.squeezed }],
  },
  stalls: {
    ...usual,
    what: 'one machine in twenty takes jobs and says nothing',
    incidents: [{ minute: 5, untilMinute: 15, share: 0.05, ailment: ailments.stalls }],
  },
  zombies: {
    ...usual,
    what: 'a tenth of the fleet begins late and does not listen when a job is taken back',
    incidents: [{ minute: 5, untilMinute: 15, share: 0.1, ailment: { lateMs: 15_000, ignoresCancels: true } }],
  },
} as const satisfies Record<string, Scenario>;

export type ScenarioName = keyof typeof scenarios;
export const scenarioNames = Object.keys(scenarios) as ScenarioName[];
