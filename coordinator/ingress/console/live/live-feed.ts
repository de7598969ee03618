import type { Logger } from 'pino';
import {
  AccountChanged,
  events,
  KeyChanged,
  type MessageKind,
  RoutingFleet,
  SessionEnded,
  SettlementPosted,
  SettlementSettled,
  services,
  TrustConnected,
  TrustDisconnected,
  TrustEnrolled,
  TrustRevoked,
  TrustVerdict,
} from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { ApiError } from '#http-api/errors.ts';
import { answerOf } from '../../call-until.ts';
import { LiveAccounts, type LivePage } from './live-accounts.ts';
import {
  type Addressed,
  keyEvents,
  machineEvents,
  postedEvents,
  settledEvents,
  verdictEvents,
} from './live-events.ts';

const CALL = { eachMs: 2_000, totalMs: 4_000 };
/** Accounts whose machines are read at once after the hub was away. */
const AT_ONCE = 32;

interface LiveFeedOptions {
  readonly bus: Bus;
  readonly clock: () => number;
  readonly log: Logger;
}

/**
 * Receives the facts of the bus for the pages of the console. It subscribes without JetStream, so
 * that pages are live although no stream can be written; after a loss of the connection to the hub
 * every page is told to read everything again.
 */
export class LiveFeed implements Disposable {
  readonly #options: LiveFeedOptions;
  readonly #accounts: LiveAccounts;
  #isEnded = false;
  readonly #subscriptions: readonly { unsubscribe(): void }[];

  constructor(options: LiveFeedOptions) {
    this.#options = options;
    this.#accounts = new LiveAccounts(options.clock);
    this.#subscriptions = this.#subscribe();
    void this.#watchConnection();
  }

  get streams(): number {
    return this.#accounts.streams;
  }

  /** Adds a page of the account, after its machines are known. */
  async join(account: string, page: LivePage, lastId: string | undefined): Promise<void> {
    if (this.#isEnded) throw new ApiError('draining');
    if (!this.#accounts.open(account))
      throw new ApiError('service_unavailable', 'Too many people have the console open.');
    await this.#loadMachines(account);
    if (this.#isEnded) throw new ApiError('draining');
    if (!this.#accounts.join(account, page, lastId))
      throw new ApiError(
        'rate_limit_exceeded',
        'Too many pages of this session are open. Close one of them.',
      );
  }

  leave(account: string, page: LivePage): void {
    this.#accounts.leave(account, page);
  }

  #subscribe() {
    const { settlementSettled, settlementPosted, accountsKeyChanged, trustVerdict } = events;
    const publish = (addressed: Addressed[]) => this.#accounts.publish(addressed);
    return [
      this.#on(settlementSettled, SettlementSettled, (fact) => publish(settledEvents(fact))),
      this.#on(settlementPosted, SettlementPosted, (fact) => publish(postedEvents(fact))),
      this.#on(accountsKeyChanged, KeyChanged, (fact) => publish(keyEvents(fact))),
      this.#on(trustVerdict, TrustVerdict, (fact) => publish(verdictEvents(fact))),
      this.#on(events.routingFleet, RoutingFleet, (fact) =>
        publish(machineEvents(fact, fact.change)),
      ),
      this.#on(events.trustConnected, TrustConnected, (fact) =>
        publish(machineEvents(fact, 'connected')),
      ),
      this.#on(events.trustDisconnected, TrustDisconnected, (fact) =>
        publish(machineEvents(fact, 'disconnected')),
      ),
      this.#on(events.trustEnrolled, TrustEnrolled, (fact) => {
        if (fact.account !== undefined) this.#accounts.addMachines(fact.account, [fact.provider]);
        publish(machineEvents(fact, 'linked'));
      }),
      this.#on(events.trustRevoked, TrustRevoked, (fact) =>
        publish(machineEvents(fact, 'removed')),
      ),
      this.#on(events.accountsSessionEnded, SessionEnded, ({ account, session }) =>
        this.#accounts.end(account, session),
      ),
      this.#on(events.accountsAccountChanged, AccountChanged, ({ account, isSuspended }) => {
        if (isSuspended) this.#accounts.end(account);
      }),
    ];
  }

  /** Facts are not decoded while no page is open. */
  #on<Fact>(subject: string, kind: MessageKind<Fact>, handle: (fact: Fact) => void) {
    const wants = () => !this.#accounts.isEmpty;
    return this.#options.bus.subscribe({ subject, kind, handle, wants });
  }

  async #loadMachines(account: string): Promise<void> {
    const { bus } = this.#options;
    const { machines } = await answerOf(bus, services.trust.machines, { account }, CALL);
    const ids = machines.flatMap(({ provider, revokedAt }) =>
      revokedAt === undefined ? [provider] : [],
    );
    this.#accounts.addMachines(account, ids);
  }

  async #watchConnection(): Promise<void> {
    for await (const { type } of this.#options.bus.connection.status()) {
      if (type === 'disconnect') this.#accounts.stale();
      if (type === 'reconnect') void this.#reset();
    }
  }

  /** Machines may have been linked while the hub was away, so they are read before the page is. */
  async #reset(): Promise<void> {
    const accounts = this.#accounts.lose();
    for (let next = 0; next < accounts.length; next += AT_ONCE)
      await Promise.all(
        accounts.slice(next, next + AT_ONCE).map(async (account) => {
          await this.#loadMachines(account).catch((error: unknown) =>
            this.#options.log.warn({ err: error }, 'the machines of an account could not be read'),
          );
          this.#accounts.reset(account);
        }),
      );
  }

  [Symbol.dispose](): void {
    this.#isEnded = true;
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#accounts.endAll();
  }
}
