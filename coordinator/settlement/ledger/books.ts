import type { MessageOf, services } from '#bus-schemas';
import type { Alerts } from '../alerts.ts';
import { digestOf } from '../core/digest.ts';
import type { OutboxStore } from '../outbox/outbox-store.ts';
import type { OutboxRelay } from '../outbox/relay.ts';
import type { LedgerStore } from './ledger-store.ts';

type Methods = typeof services.settlement;
type Credited = MessageOf<Methods['credit']['reply']>;

export interface BooksOptions {
  readonly ledger: LedgerStore;
  readonly outboxStore: OutboxStore;
  readonly outbox: Pick<OutboxRelay, 'nudge'>;
  readonly alerts: Pick<Alerts, 'raise'>;
}

/** The balance, credits and replays that operators and other components request. */
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
  }: MessageOf<Methods['credit']['request']>): Promise<Credited> {
    const { ledger, alerts, outbox } = this.#options;
    const name = `credit:${operation}`;
    const entries = [
      { account: `consumer:${account}`, kind: 'consumer', amount: amountMicroUsd },
      { account: 'external:promotions', kind: 'external', amount: -amountMicroUsd },
    ] as const;
    if (
      !(await ledger.post({
        operation: name,
        kind: 'credit',
        digest: digestOf([account, amountMicroUsd]),
        entries,
      }))
    ) {
      alerts.raise('operation_conflict', name);
      return { ok: false, code: 'operation_conflict' };
    }
    outbox.nudge();
    return { ok: true, availableMicroUsd: (await ledger.balance(account)).available };
  }

  async replay(ids: readonly string[] | undefined): Promise<{ rows: number }> {
    const rows = await this.#options.outboxStore.replay(ids);
    this.#options.outbox.nudge();
    return { rows };
  }
}
