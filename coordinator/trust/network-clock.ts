import type { NatsConnection } from '@nats-io/nats-core';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { measured } from '#observability';
import {
  type ClockReading,
  type ClockVerdict,
  judgeClocks,
  machinesOffset,
} from './core/clocks.ts';

const CHECK_MS = 10_000;
const ASK_MS = 2_000;
/**
 * Minimum time between two readings that messages of machines cause, in milliseconds. Without it,
 * machines with wrong clocks could make trust read all clocks again and again.
 */
const MIN_READ_INTERVAL_MS = 1_000;
/** A larger jump, in milliseconds, is no correction by a time server. */
const STEP_MS = 5_000;
/**
 * Machines are challenged every five minutes, so an older reading is of a machine that has left.
 */
const READING_LIFETIME_MS = 15 * 60_000;
/**
 * Only this many readings are kept, the newest ones. Their median is close to that of all of them.
 */
const MAX_MACHINES = 256;

/** The clocks that trust compares with its own, in milliseconds. */
export interface OtherClocks {
  readonly hub: () => Promise<number>;
  readonly database: () => Promise<number>;
  /** A clock that is never set; its start is arbitrary. */
  readonly steady: () => number;
}

export function realClocks(system: NatsConnection, database: Pool): OtherClocks {
  return {
    hub: () => hubTime(system),
    database: () => databaseTime(database),
    steady: () => performance.now(),
  };
}

/** A clock that differs from the others, by `offsetMs`. */
interface WrongClock {
  readonly clock: 'trust' | ClockReading['source'];
  readonly offsetMs: number;
}

export interface NetworkClockOptions {
  readonly others: OtherClocks;
  readonly log: Pick<Logger, 'error' | 'info'>;
  readonly metrics: Registry;
  /** Trust's own clock, which may be wrong. */
  readonly own: () => number;
}

/**
 * The time according to most clocks of the network. Otherwise a trust process whose clock is ten
 * minutes off would shut out every machine, because the clock of each of them seems to be ten
 * minutes off.
 */
export class NetworkClock implements Disposable {
  readonly #options: NetworkClockOptions;
  readonly #timer: NodeJS.Timeout;
  /**
   * The times that machines signed, the newest last, with the time of receipt on the steady clock.
   */
  readonly #machines = new Map<string, { readonly said: number; readonly receivedAt: number }>();
  /** Trust's own clock and the steady clock at the last reading. */
  #readAt = { own: 0, steady: 0 };
  #verdict: ClockVerdict = { is: 'agreed', suspects: [] };
  #checking: Promise<void> | undefined;

  constructor(options: NetworkClockOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.check(), CHECK_MS);
    measured(options.metrics, 'dinf_trust_clock_correction_ms', () => this.#correction());
  }

  readonly now = (): number => this.#options.own() + this.#correction();

  /** Whether the clocks agree well enough to blame a machine whose clock differs. */
  get isCertain(): boolean {
    return this.#verdict.is !== 'disputed';
  }

  /** Describes for operators which clocks are wrong; empty if the clocks agree. */
  problems(): string[] {
    const advice = 'Let its machine synchronise with a time server.';
    switch (this.#verdict.is) {
      case 'agreed':
        return this.#verdict.suspects.map(
          ({ source, offsetMs }) =>
            `The clock of the ${source} is wrong by ${seconds(offsetMs)}. ${advice}`,
        );
      case 'corrected':
        return [
          `The clock of trust is wrong by ${seconds(this.#verdict.offsetMs)} according to ${this.#verdict.by.join(', ')}, and is corrected. ${advice}`,
        ];
      case 'disputed':
        return [
          `Most machines' clocks differ by ${seconds(this.#verdict.offsetMs)} from those of the servers. No machine is judged by its clock until they agree.`,
        ];
    }
  }

  /** The clock of each problem, in the order of `problems`. */
  wrongClocks(): WrongClock[] {
    switch (this.#verdict.is) {
      case 'agreed':
        return this.#verdict.suspects.map(({ source, offsetMs }) => wrong(source, offsetMs));
      case 'corrected':
        return [wrong('trust', -this.#verdict.offsetMs)];
      case 'disputed':
        return [wrong('machines', this.#verdict.offsetMs)];
    }
  }

  /** Stores the time that a machine has signed. */
  recordReading(provider: string, said: number): void {
    this.#machines.delete(provider);
    this.#machines.set(provider, { said, receivedAt: this.#options.others.steady() });
    for (const [oldest, { receivedAt: heardAt }] of this.#machines) {
      if (
        this.#machines.size <= MAX_MACHINES &&
        this.#options.others.steady() - heardAt < READING_LIFETIME_MS
      )
        break;
      this.#machines.delete(oldest);
    }
  }

  /**
   * To be awaited before a time is compared or stored. Reads all clocks if trust's own clock was
   * set, or if `said` is far from the current time. Never rejects.
   */
  async settle(said = this.now()): Promise<void> {
    const { own, steady } = this.#readAt;
    const stepped = Math.abs(this.#options.own() - own - (this.#options.others.steady() - steady));
    const mayRead = this.#options.others.steady() - steady > MIN_READ_INTERVAL_MS;
    if (stepped > STEP_MS || (mayRead && Math.abs(said - this.now()) > STEP_MS)) await this.check();
  }

  /** Reads all clocks now; simultaneous calls share one reading. Never rejects. */
  check(): Promise<void> {
    this.#checking ??= this.#read().finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  async #read(): Promise<void> {
    const { others } = this.#options;
    const readings = await Promise.all([
      this.#reading('hub', others.hub),
      this.#reading('database', others.database),
    ]);
    const own = this.#options.own();
    this.#readAt = { own, steady: this.#options.others.steady() };
    const machines = machinesOffset(
      [...this.#machines.values()].map(
        ({ said, receivedAt: heardAt }) => said + this.#options.others.steady() - heardAt - own,
      ),
    );
    const all: ClockReading[] = [
      ...readings.flatMap((reading) => reading ?? []),
      ...(machines === undefined ? [] : [{ source: 'machines' as const, offsetMs: machines }]),
    ];
    const before = this.problems().length;
    this.#verdict = judgeClocks(all);
    const problems = this.problems();
    if (problems.length > 0 && before === 0)
      this.#options.log.error({ readings: all }, problems.join(' '));
    if (problems.length === 0 && before > 0) this.#options.log.info('the clocks agree again');
  }

  /** Undefined for a clock that cannot be read: it has no vote. */
  async #reading(
    source: ClockReading['source'],
    time: () => Promise<number>,
  ): Promise<ClockReading | undefined> {
    const { own, others } = this.#options;
    const began = others.steady();
    const ownBegan = own();
    try {
      const theirs = await time();
      return { source, offsetMs: theirs - (ownBegan + (others.steady() - began) / 2) };
    } catch {
      return undefined;
    }
  }

  #correction(): number {
    return this.#verdict.is === 'corrected' ? Math.round(this.#verdict.offsetMs) : 0;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

const wrong = (clock: WrongClock['clock'], offsetMs: number): WrongClock => ({
  clock,
  offsetMs: Math.round(offsetMs),
});

const seconds = (ms: number) => `${Math.round(Math.abs(ms) / 1_000)} s`;

async function hubTime(system: NatsConnection): Promise<number> {
  const reply = await system.request('$SYS.REQ.SERVER.PING.STATSZ', '', { timeout: ASK_MS });
  const time = Date.parse(reply.json<{ server: { time: string } }>().server.time);
  if (Number.isNaN(time)) throw new Error('the answer of the hub contains no valid time');
  return time;
}

async function databaseTime(database: Pool): Promise<number> {
  const { rows } = await database.query<{ ms: number }>(
    'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms',
  );
  return rows[0]?.ms ?? Number.NaN;
}
