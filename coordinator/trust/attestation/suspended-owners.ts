import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { AccountChanged, events, services } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import type { Attestor } from './attestor.ts';
import { machinesOfOwner, pausedOwners } from './verdict-store.ts';

/** Limits how late a change of an account is noticed if its event is lost, in milliseconds. */
const COMPARE_EVERY_MS = 60_000;
const PAGE = 1_000;
const CALL = { timeoutMs: 5_000 };

export interface SuspendedOwnersOptions {
  readonly bus: Bus;
  readonly database: Pool;
  readonly attestor: Pick<Attestor, 'pause'>;
  readonly log: Logger;
}

/**
 * Pauses the machines of suspended accounts, and resumes them with the account. Accounts decides
 * who is suspended: its event is applied at once, and the whole list is compared every minute.
 */
export class SuspendedOwners implements AsyncDisposable {
  readonly #options: SuspendedOwnersOptions;
  readonly #subscription: { unsubscribe(): void };
  readonly #timer: NodeJS.Timeout;
  /** Changes are applied one after the other, so that the last one decides. */
  #work: Promise<void> = Promise.resolve();

  constructor(options: SuspendedOwnersOptions) {
    this.#options = options;
    this.#subscription = options.bus.subscribe({
      subject: events.accountsAccountChanged,
      kind: AccountChanged,
      queue: 'trust',
      handle: ({ account, isSuspended }) => this.#enqueue(() => this.#apply(account, isSuspended)),
    });
    this.#timer = setInterval(() => this.#enqueue(() => this.#compare()), COMPARE_EVERY_MS);
    this.#enqueue(() => this.#compare());
  }

  #enqueue(work: () => Promise<void>): void {
    this.#work = this.#work.then(work).catch((error: unknown) => {
      this.#options.log.warn(
        { err: error },
        'the machines of suspended accounts could not be compared; trust tries again in a minute',
      );
    });
  }

  async #apply(account: string, isSuspended: boolean): Promise<void> {
    const { attestor, database } = this.#options;
    for (const provider of await machinesOfOwner(database, account))
      await attestor.pause(provider, 'owner_suspended', isSuspended);
  }

  async #compare(): Promise<void> {
    const suspended = await this.#suspended();
    // A machine that was linked during the suspension is paused too, so every account is applied.
    for (const account of suspended) await this.#apply(account, true);
    for (const account of await pausedOwners(this.#options.database))
      if (!suspended.has(account)) await this.#apply(account, false);
  }

  async #suspended(): Promise<Set<string>> {
    const all = new Set<string>();
    for (let after: string | undefined, isMore = true; isMore; ) {
      const { accounts } = await this.#options.bus.call(
        services.accounts.suspendedAccounts,
        { limit: PAGE, ...(after !== undefined && { after }) },
        CALL,
      );
      for (const account of accounts) all.add(account);
      after = accounts.at(-1);
      isMore = accounts.length === PAGE;
    }
    return all;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#subscription.unsubscribe();
    await this.#work;
  }
}
