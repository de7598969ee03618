import type { MessageOf, services } from '#bus-schemas';
import type { Alerts } from '../alerts.ts';
import { digestOf } from '../core/digest.ts';
import type { OutboxStore } from '../outbox/outbox-store.ts';
import type { OutboxRelay } from '../outbox/relay.ts';
import {
  type Entry,
  InsufficientFundsError,
  type LedgerStore,
  type Posting,
} from './ledger-store.ts';

type Methods = typeof services.settlement;
type Credited = MessageOf<Methods['credit']['reply']>;
type Rewarded = MessageOf<Methods['reward']['reply']>;

export interface BooksOptions {
  readonly ledger: LedgerStore;
  readonly outboxStore: OutboxStore;
  readonly outbox: Pick<OutboxRelay, 'nudge'>;
  readonly alerts: Pick<Alerts, 'raise'>;
}

/** The balance, credits, rewards and replays that operators and other components request. */
export class Books {
  readonly #options: BooksOptions;

  constructor(options: BooksOptions) {
    this.#options = options;
  }

  async balance(account: string): Promise<MessageOf<Methods['balance']['reply']>> {
    const { available, held, promotional, owed, withdrawable, maturing } =
      await this.#options.ledger.balance(account);
    return {
      availableMicroUsd: available,
      heldMicroUsd: held,
      promotionalMicroUsd: promotional,
      owedMicroUsd: owed,
      withdrawableMicroUsd: withdrawable,
      maturing: [...maturing],
    };
  }

  /**
   * Adds promotional credit: money that no customer has paid in. Neither this account nor an
   * account that earns it can withdraw it.
   */
  async credit({
    account,
    amountMicroUsd,
    operation,
    note,
  }: MessageOf<Methods['credit']['request']>): Promise<Credited> {
    return this.#post({
      note,
      operation: `credit:${operation}`,
      kind: 'credit',
      digest: digestOf([account, amountMicroUsd]),
      entries: [
        { account: `consumer:${account}`, kind: 'consumer', amount: amountMicroUsd },
        { account: 'external:promotions', kind: 'external', amount: -amountMicroUsd },
      ],
    });
  }

  /**
   * Pays earned money, which the account may withdraw. It comes from the fees that the platform has
   * earned, without their promotional part: otherwise a reward would turn promotional credit into
   * money.
   */
  async reward({
    account,
    amountMicroUsd: amount,
    operation,
    note,
  }: MessageOf<Methods['reward']['request']>): Promise<Rewarded> {
    try {
      return await this.#post({
        note,
        operation: `reward:${operation}`,
        kind: 'reward',
        digest: digestOf([account, amount]),
        entries: [
          { account: `consumer:${account}`, kind: 'consumer', amount, earned: amount },
          { account: 'platform:fees', kind: 'platform', amount: -amount },
        ],
      });
    } catch (error) {
      if (error instanceof InsufficientFundsError) return { ok: false, code: 'insufficient_funds' };
      throw error;
    }
  }

  async #post(posting: Posting): Promise<Credited> {
    const { ledger, alerts, outbox } = this.#options;
    const { account } = posting.entries[0] as Entry;
    if (!(await ledger.post(posting))) {
      alerts.raise('operation_conflict', posting.operation);
      return { ok: false, code: 'operation_conflict' };
    }
    outbox.nudge();
    const { available } = await ledger.balance(account.slice('consumer:'.length));
    return { ok: true, availableMicroUsd: available };
  }

  async replay(ids: readonly string[] | undefined): Promise<{ rows: number }> {
    const rows = await this.#options.outboxStore.replay(ids);
    this.#options.outbox.nudge();
    return { rows };
  }
}
