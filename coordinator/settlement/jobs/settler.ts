import { JobEnded, SettlementSettled } from '#bus-schemas';
import { holdFor } from '#coordinator/job-cost.ts';
import type { Alerts } from '../alerts.ts';
import { type Charge, chargeFor, type End } from '../core/charge.ts';
import { digestOf } from '../core/digest.ts';
import { pluck, retried } from '../database-work.ts';
import type { Pricing } from '../pricing/pricing.ts';
import type { SigningKeys } from '../receipts/signing-keys.ts';
import type { EndedJob, HeldJob, JobCharge, JobStore, NewHold } from './job-store.ts';
import type { OpenJobs } from './open-jobs.ts';

/**
 * The end of a job: reported by its ingress or, when the ingress died, derived from the provider's
 * receipt or from the expiry of the hold.
 */
export interface JobEnd extends End {
  readonly job: string;
  readonly provider: string | undefined;
  /**
   * The ingress's report, if there is one. It contains enough to charge a job whose hold was lost
   * in a crash of the database.
   */
  readonly ended?: JobEnded;
  /**
   * True when the receipt was checked or the time for it is over. The job is then paid or refunded
   * as stated here.
   */
  readonly isDecided?: boolean;
}

export interface SettlerOptions {
  readonly store: JobStore;
  readonly pricing: Pick<Pricing, 'quote' | 'payeeOf'>;
  readonly openJobs: OpenJobs;
  readonly alerts: Pick<Alerts, 'raise'>;
  readonly signingKeys: Pick<SigningKeys, 'proofOf'>;
  /** A job that ended without a signed receipt waits for one this long, in milliseconds. */
  readonly receiptGraceMs: number;
  readonly now: () => number;
  /** Called when jobs begin to wait for their receipts. */
  readonly onWaiting: () => void;
  readonly onSettled: (facts: readonly SettlementSettled[]) => void;
}

const HOUR_MS = 3_600_000;
/** The clocks of an ingress and of the database differ by less than this, in milliseconds. */
const CLOCK_MARGIN_MS = 24 * HOUR_MS;

export function endOf(ended: JobEnded): JobEnd {
  return {
    job: ended.job,
    provider: ended.provider,
    result: ended.result,
    deliveredTokens: ended.deliveredTokens,
    usage: ended.usage,
    ended,
  };
}

/**
 * Ends jobs. One statement charges or refunds the account, pays the provider, takes the fee and
 * writes the facts to the outbox. A job that has ended does not change again. A job is charged and
 * paid only with a receipt that the serving machine signed: a machine could later deny usage that
 * it reported in a frame.
 */
export class Settler {
  readonly #options: SettlerOptions;

  constructor(options: SettlerOptions) {
    this.#options = options;
  }

  async settle(ends: readonly JobEnd[]): Promise<void> {
    const { openJobs } = this.#options;
    const unique = new Map(ends.map((end) => [end.job, end]));
    for (const end of ends)
      if (unique.get(end.job) !== end)
        this.#compare(end, digestOfEnd(unique.get(end.job) as JobEnd));
    await retried(async () => {
      try {
        await this.#settleOnce([...unique.values()]);
      } catch (error) {
        // The cached jobs may be outdated, so the next try reads them from the database.
        openJobs.forget(unique.keys());
        throw error;
      }
    });
  }

  async #settleOnce(ends: readonly JobEnd[]): Promise<void> {
    const { store, openJobs, now, onSettled } = this.#options;
    const held = await this.#heldJobs(ends);
    const pricedEnds = await Promise.all(
      ends.flatMap((end) => {
        const job = held.get(end.job);
        return job === undefined ? [] : [this.#priceEnd(job, end)];
      }),
    );
    const settled = pricedEnds.filter(({ isPayable }) => isPayable);
    await this.#awaitReceipts(pricedEnds.filter(({ isPayable }) => !isPayable));
    if (settled.length === 0) return;
    const facts = settled.map((each) => factOf(each, now()));
    const ended = await store.end(
      settled.map((each, index) => rowOf(each, facts[index] as SettlementSettled)),
    );
    openJobs.forget(settled.map(({ job }) => job.job));
    onSettled(facts.filter((fact, index) => ended.has(fact.job) && !settled[index]?.job.isVoid));
  }

  /**
   * Returns the hold of each job: from the cache, from the database or, for a job without a hold, a
   * hold that is made now so that the job can be ended.
   */
  async #heldJobs(ends: readonly JobEnd[]): Promise<Map<string, HeldJob>> {
    const { store, openJobs } = this.#options;
    const held = new Map(
      ends.flatMap(({ job }): [string, HeldJob][] => {
        const known = openJobs.get(job);
        return known ? [[job, known]] : [];
      }),
    );
    const unknown = ends.filter(({ job }) => !held.has(job));
    if (unknown.length === 0) return held;
    const found = await store.find(pluck(unknown, 'job'));
    for (const job of found.held) held.set(job.job, job);
    const over = new Map(found.ended.map((job): [string, EndedJob] => [job.job, job]));
    for (const end of unknown) this.#compare(end, over.get(end.job)?.digest ?? null);
    const unheld = unknown.filter(({ job }) => !held.has(job) && !over.has(job));
    if (unheld.length === 0) return held;
    for (const job of await this.#makeHolds(unheld)) held.set(job.job, job);
    // Another process may have made a hold since the first query. The end then ends that hold.
    const overtaken = pluck(unheld, 'job').filter((job) => !held.has(job));
    for (const job of overtaken.length === 0 ? [] : (await store.find(overtaken)).held)
      held.set(job.job, job);
    return held;
  }

  /**
   * Makes holds for ended jobs that have none. A job that delivered tokens had a hold that was
   * lost, and is still charged. For any other job, a void hold makes later requests for a hold
   * fail.
   */
  async #makeHolds(ends: readonly JobEnd[]): Promise<HeldJob[]> {
    const { store } = this.#options;
    const onlineSince = await store.onlineSince();
    const unknown = ends.filter((end) => !isArchived(end, onlineSince));
    const holds = (await Promise.all(unknown.map((end) => this.#lateHold(end)))).filter(
      (hold) => hold !== undefined,
    );
    if (holds.length === 0) return [];
    const answers = await store.hold(holds, true);
    const isHeld = (_: unknown, index: number) => answers[index]?.result === 'held';
    // The account can no longer pay for these jobs, so they are ended without a charge.
    const voided = holds
      .filter((hold, index) => !isHeld(hold, index))
      .map((hold) => ({ ...hold, held: 0, isVoid: true }));
    const closed = voided.length === 0 ? [] : await store.hold(voided, true);
    return [
      ...holds.filter(isHeld),
      ...voided.filter((_, index) => closed[index]?.result === 'held'),
    ];
  }

  async #lateHold({ job, ended }: JobEnd): Promise<NewHold | undefined> {
    if (ended === undefined) return undefined;
    const { pricing } = this.#options;
    const { account, key, model, provider, promptBound, deliveredTokens, result, isBatchLine } =
      ended;
    const hasDelivered = deliveredTokens > 0 && result !== 'failed' && provider !== undefined;
    const quote = await pricing.quote({ account, model, provider, isBatchLine });
    if (quote === undefined) return undefined;
    return {
      job,
      account,
      key,
      model,
      promptBound,
      outputBound: deliveredTokens,
      ...quote,
      revision: 1,
      isVoid: !hasDelivered,
      providers: provider === undefined ? [] : [provider],
      held: hasDelivered
        ? holdFor(
            quote.price,
            { prompt: promptBound, completion: deliveredTokens },
            quote.terms.minimum,
          )
        : 0,
      digest: digestOf(['lost hold', job]),
      lifeMs: HOUR_MS,
    };
  }

  async #priceEnd(job: HeldJob, end: JobEnd): Promise<PricedEnd> {
    const payee =
      end.provider === undefined || end.provider === job.providers.at(-1)
        ? job.payee
        : await this.#options.pricing.payeeOf(end.provider);
    // Without a provider to pay, the job costs nothing.
    const deliveredTokens = end.provider === undefined ? 0 : end.deliveredTokens;
    const charge = chargeFor(
      { ...job, isOwnMachine: payee === `consumer:${job.account}` },
      { ...end, deliveredTokens },
    );
    return {
      job,
      end,
      payee,
      charge,
      isPayable: charge.charged === 0 || (await this.#isProven(end)),
    };
  }

  async #isProven({ provider, ended, isDecided }: JobEnd): Promise<boolean> {
    if (isDecided === true || ended === undefined || provider === undefined) return true;
    return (await this.#options.signingKeys.proofOf(provider, ended.receiptKey)) === 'signed';
  }

  /**
   * Stores ends that have no receipt yet. The sweeper settles them when the receipt has arrived or
   * the time for it is over.
   */
  async #awaitReceipts(waiting: readonly PricedEnd[]): Promise<void> {
    if (waiting.length === 0) return;
    const { store, receiptGraceMs, onWaiting } = this.#options;
    const ends = waiting.flatMap(({ end: { job, provider, ended } }) =>
      provider === undefined || ended === undefined
        ? []
        : [{ job, provider, fact: JobEnded.encode(ended) }],
    );
    await store.receipts.waitFor(ends, receiptGraceMs);
    onWaiting();
  }

  /** Raises an alert when two reports of one job's end differ. */
  #compare(end: JobEnd, before: Buffer | null): void {
    const digest = digestOfEnd(end);
    if (digest !== null && before !== null && !digest.equals(before))
      this.#options.alerts.raise('operation_conflict', `end:${end.job}`);
  }
}

interface PricedEnd {
  readonly job: HeldJob;
  readonly end: JobEnd;
  readonly payee: string | null;
  readonly charge: Charge;
  /** True when the job costs nothing, or when its receipt is proven or no longer awaited. */
  readonly isPayable: boolean;
}

/**
 * Whether the job ended in a month whose charges were archived. It is then a repeated report of a
 * job that was charged: streams keep reports for 14 days, and only older months are archived.
 */
function isArchived({ ended }: JobEnd, onlineSince: number | undefined): boolean {
  return (
    ended !== undefined && onlineSince !== undefined && ended.at < onlineSince + CLOCK_MARGIN_MS
  );
}

/** Digest of an end reported by an ingress; null for ends from a receipt or timeout. */
function digestOfEnd({ ended }: JobEnd): Buffer | null {
  if (ended === undefined) return null;
  const { job, provider = '', result, deliveredTokens, usage } = ended;
  return digestOf([
    job,
    provider,
    result,
    deliveredTokens,
    usage?.promptTokens ?? -1,
    usage?.completionTokens ?? -1,
  ]);
}

function rowOf({ job, end, payee, charge }: PricedEnd, fact: SettlementSettled): JobCharge {
  return {
    ...charge,
    job: job.job,
    revision: job.revision,
    provider: end.provider ?? null,
    payee,
    digest: digestOfEnd(end),
    outcome: job.isVoid ? 'void' : fact.outcome,
    fact: job.isVoid ? null : SettlementSettled.encode(fact),
  };
}

function factOf({ job, end, charge }: PricedEnd, at: number): SettlementSettled {
  return {
    job: job.job,
    account: job.account,
    at,
    outcome: charge.promptTokens + charge.completionTokens > 0 ? 'settled' : 'refunded',
    heldMicroUsd: job.held,
    chargedMicroUsd: charge.charged,
    providerMicroUsd: charge.providerShare,
    feeMicroUsd: charge.fee,
    referralMicroUsd: charge.referral,
    ...(end.provider !== undefined && { provider: end.provider }),
  };
}
