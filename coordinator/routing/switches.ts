import type { Pool } from 'pg';
import type { Logger } from 'pino';
import {
  events,
  ROUTING_SWITCHES,
  type RoutingSwitch,
  RoutingSwitched,
  type RoutingSwitches,
} from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';

/** Limits how late a change is noticed if its event is lost, in milliseconds. */
const READ_EVERY_MS = 15_000;

const READ = namedStatement<{ name: string; isOn: boolean }>('routing.read-switches')`
  SELECT name, is_on AS "isOn" FROM routing_switches`;

const PUT = namedStatement('routing.put-switch')`
  INSERT INTO routing_switches (name, is_on) VALUES (${'name'}, ${'isOn'})
  ON CONFLICT (name) DO UPDATE SET is_on = excluded.is_on, changed_at = now()`;

export interface SwitchesOptions {
  readonly bus: Bus;
  readonly database: Pool;
  readonly log: Logger;
  readonly now: () => number;
  readonly onRead: (switches: RoutingSwitches) => void;
}

/**
 * The parts of routing that an operator can switch off while it runs. The database keeps them over
 * restarts; an event makes every router, also a standby, read them again.
 */
export class Switches implements Disposable {
  readonly #options: SwitchesOptions;
  readonly #subscription: { unsubscribe(): void };
  readonly #timer: NodeJS.Timeout;
  /** Resolves when the switches are read, or when the database was not available. */
  readonly firstRead: Promise<void>;

  constructor(options: SwitchesOptions) {
    this.#options = options;
    this.#subscription = options.bus.subscribe({
      subject: events.routingSwitched,
      kind: RoutingSwitched,
      handle: () => void this.#apply(),
    });
    this.#timer = setInterval(() => void this.#apply(), READ_EVERY_MS);
    this.firstRead = this.#apply();
  }

  async read(): Promise<RoutingSwitches> {
    const rows = await queryNamed(this.#options.database, READ, {});
    const off = new Set(rows.flatMap(({ name, isOn }) => (isOn ? [] : [name])));
    return Object.fromEntries(
      ROUTING_SWITCHES.map((name) => [name, !off.has(name)]),
    ) as RoutingSwitches;
  }

  async set(name: RoutingSwitch, isOn: boolean): Promise<RoutingSwitches> {
    const { bus, database, now } = this.#options;
    await queryNamed(database, PUT, { name, isOn });
    const at = now();
    bus.emit(events.routingSwitched, RoutingSwitched, { name, isOn, at }, `switched:${name}:${at}`);
    return this.read();
  }

  async #apply(): Promise<void> {
    const { log, onRead } = this.#options;
    try {
      onRead(await this.read());
    } catch (error) {
      log.info(
        { err: error },
        'the switches of routing could not be read; those that were read last stay in use',
      );
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#subscription.unsubscribe();
  }
}
