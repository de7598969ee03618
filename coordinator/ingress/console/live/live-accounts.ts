import { randomToken } from '#bus-schemas';
import type { Addressed, LiveEvent, LiveReceiver } from './live-events.ts';
import { LiveLog, type Resumption } from './live-log.ts';

/** Time for which the events of an account are kept after its last page has left, in milliseconds. */
export const KEEP_MS = 300_000;
/** Most accounts whose events are kept. */
export const MAX_ACCOUNTS = 10_000;
/** Most open streams of one session. */
export const MAX_STREAMS = 8;

/** One page that receives events. */
export interface LivePage {
  readonly session: string;
  /** The events that the page missed; it is called before all others. */
  begin(resumption: Resumption): void;
  send(event: LiveEvent, id: string): void;
  /** The connection to the hub is lost: the page does not change until it is back. */
  stale(): void;
  /** Events may be missing: the page has to read everything again. */
  reset(id: string): void;
  end(): void;
}

interface LiveAccount {
  readonly log: LiveLog;
  readonly pages: Set<LivePage>;
  readonly machines: Set<string>;
  /** When the last page left; undefined while there is one. */
  leftAt: number | undefined;
}

/**
 * The accounts whose pages are open, or were a moment ago, and the events that they have missed.
 * Facts of all other accounts are dropped at once.
 */
export class LiveAccounts {
  readonly #clock: () => number;
  readonly #accounts = new Map<string, LiveAccount>();
  /** The account of each machine of these accounts. */
  readonly #owners = new Map<string, string>();

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  get isEmpty(): boolean {
    return this.#accounts.size === 0;
  }

  get streams(): number {
    return this.#accounts.values().reduce((sum, { pages }) => sum + pages.size, 0);
  }

  /** Begins to keep the events of the account. Returns false if too many accounts are open. */
  open(account: string): boolean {
    this.#forgetLeft();
    if (this.#accounts.has(account)) return true;
    if (this.#accounts.size >= MAX_ACCOUNTS && !this.#forgetOne()) return false;
    this.#accounts.set(account, {
      log: new LiveLog(randomToken(12)),
      pages: new Set(),
      machines: new Set(),
      leftAt: this.#clock(),
    });
    return true;
  }

  /** Adds a page of an open account. Returns false if its session has too many. */
  join(account: string, page: LivePage, lastId: string | undefined): boolean {
    const open = this.#accounts.get(account);
    if (open === undefined) return false;
    const ofSession = [...open.pages].filter(({ session }) => session === page.session);
    if (ofSession.length >= MAX_STREAMS) return false;
    open.pages.add(page);
    open.leftAt = undefined;
    page.begin(open.log.after(lastId));
    return true;
  }

  leave(account: string, page: LivePage): void {
    const open = this.#accounts.get(account);
    if (open === undefined || !open.pages.delete(page) || open.pages.size > 0) return;
    open.leftAt = this.#clock();
  }

  /** Machines whose events the account sees. A machine never passes to another account. */
  addMachines(account: string, machines: readonly string[]): void {
    const open = this.#accounts.get(account);
    if (open === undefined) return;
    for (const machine of machines) {
      open.machines.add(machine);
      this.#owners.set(machine, account);
    }
  }

  /** Gives the events to the pages of their receivers. */
  publish(events: readonly Addressed[]): void {
    for (const [receiver, event] of events) {
      const open = this.#accounts.get(this.#accountOf(receiver) ?? '');
      const id = open?.log.add(event);
      if (open === undefined || id === undefined) continue;
      for (const page of open.pages) page.send(event, id);
    }
  }

  /** No facts arrive any more. */
  stale(): void {
    for (const { pages } of this.#accounts.values()) for (const page of pages) page.stale();
  }

  /**
   * Facts may have been lost, so no page can continue from an earlier event. Returns the accounts
   * with pages, each of which needs a `reset`.
   */
  lose(): string[] {
    for (const { log } of this.#accounts.values()) log.lose();
    return [...this.#accounts].flatMap(([account, { pages }]) => (pages.size > 0 ? [account] : []));
  }

  reset(account: string): void {
    const open = this.#accounts.get(account);
    for (const page of open?.pages ?? []) page.reset(open?.log.id ?? '');
  }

  /** Ends the pages of a session, or all pages of the account. */
  end(account: string, session?: string): void {
    const pages = [...(this.#accounts.get(account)?.pages ?? [])];
    for (const page of pages) if (session === undefined || page.session === session) page.end();
  }

  endAll(): void {
    for (const account of this.#accounts.keys()) this.end(account);
  }

  #accountOf(receiver: LiveReceiver): string | undefined {
    return 'account' in receiver ? receiver.account : this.#owners.get(receiver.machine);
  }

  #forgetLeft(): void {
    for (const [account, { leftAt }] of this.#accounts)
      if (leftAt !== undefined && this.#clock() - leftAt >= KEEP_MS) this.#forget(account);
  }

  /** Forgets the account whose last page left longest ago. */
  #forgetOne(): boolean {
    const left = [...this.#accounts].flatMap(([account, { leftAt }]) =>
      leftAt === undefined ? [] : [{ account, leftAt }],
    );
    const [oldest] = left.toSorted((one, other) => one.leftAt - other.leftAt);
    if (oldest === undefined) return false;
    this.#forget(oldest.account);
    return true;
  }

  #forget(account: string): void {
    for (const machine of this.#accounts.get(account)?.machines ?? []) this.#owners.delete(machine);
    this.#accounts.delete(account);
  }
}
