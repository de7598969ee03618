import { type BatchRecord, type ServiceMethod, services } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { callUntil } from '../call-until.ts';

/**
 * Time for which an ingress has a batch without renewal, in milliseconds. After it, another ingress
 * goes on with the batch.
 */
const LEASE_MS = 30_000;
export const RENEW_MS = 10_000;
const CALL = { eachMs: 5_000, totalMs: 20_000 };

type RequestOf<Method> = Method extends ServiceMethod<infer Request, unknown> ? Request : never;
type Accounts = typeof services.accounts;
type Without<Method> = Omit<RequestOf<Method>, 'account' | 'id' | 'runner' | 'leaseMs'>;
export type LineOutcome = RequestOf<Accounts['putBatchLine']>['outcome'];

interface Claimed {
  readonly lease: BatchLease;
  readonly record: BatchRecord;
  readonly keys: Uint8Array;
  readonly isDone: (line: number) => boolean;
}

/** Takes the lease of a batch that no ingress runs; undefined if there is none. */
export async function takeBatch(bus: Bus, runner: string): Promise<Claimed | undefined> {
  const asked = { runner, leaseMs: LEASE_MS };
  const claimed = await callUntil(bus, services.accounts.claimBatch, asked, CALL);
  if (!claimed.ok) return undefined;
  const { account, batch: record, keys, done } = claimed;
  return {
    lease: new BatchLease(bus, { account, id: record.id, runner }),
    record,
    keys,
    isDone: (line) => ((done[line >> 3] ?? 0) & (1 << (line & 7))) !== 0,
  };
}

/** The right of this ingress to run a batch, and the calls that need it. */
export class BatchLease {
  readonly account: string;
  readonly id: string;
  readonly #bus: Bus;
  readonly #leased: { readonly account: string; readonly id: string; readonly runner: string };

  constructor(bus: Bus, leased: { account: string; id: string; runner: string }) {
    this.account = leased.account;
    this.id = leased.id;
    this.#bus = bus;
    this.#leased = leased;
  }

  /** Returns undefined if the lease is lost. */
  async renew(changes: Without<Accounts['renewBatch']> = {}) {
    const asked = { ...this.#leased, leaseMs: LEASE_MS, ...changes };
    const renewed = await callUntil(this.#bus, services.accounts.renewBatch, asked, CALL);
    return renewed.ok ? renewed : undefined;
  }

  /** Returns false if the lease is lost, or another attempt has stored a result of the line. */
  async put(result: Without<Accounts['putBatchLine']>): Promise<boolean> {
    const put = { ...this.#leased, ...result };
    return (await callUntil(this.#bus, services.accounts.putBatchLine, put, CALL)).ok;
  }

  /** The results of one outcome in the order of the lines. Throws if the lease is lost. */
  async *results(outcome: LineOutcome): AsyncGenerator<{ line: number; sealed: Uint8Array }> {
    for (let from = 0; ; ) {
      const asked = { ...this.#leased, outcome, from };
      const page = await callUntil(this.#bus, services.accounts.readBatchLines, asked, CALL);
      if (!page.ok) throw new Error('the lease of the batch is lost');
      yield* page.lines;
      if (!page.hasMore) return;
      from = (page.lines.at(-1)?.line ?? from) + 1;
    }
  }

  /** Returns false if the lease is lost. */
  async end(ended: Without<Accounts['endBatch']>): Promise<boolean> {
    const end = { ...this.#leased, ...ended };
    return (await callUntil(this.#bus, services.accounts.endBatch, end, CALL)).ok;
  }

  async release(hasUnreadableKeys: boolean): Promise<void> {
    const released = { ...this.#leased, hasUnreadableKeys };
    await callUntil(this.#bus, services.accounts.releaseBatch, released, CALL);
  }
}
