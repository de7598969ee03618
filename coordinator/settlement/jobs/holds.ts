import type { Logger } from 'pino';
import type {
  AgreedPrice,
  Held,
  Hold,
  KeyShortage,
  KeySpending,
  MaxPrice,
  Topped,
  TopUp,
} from '#bus-schemas';
import { Batcher } from '#coordinator/batcher.ts';
import { FREE, holdFor, type Price } from '#coordinator/job-cost.ts';
import { LoadingCache } from '#coordinator/loading-cache.ts';
import type { Alerts } from '../alerts.ts';
import type { Terms } from '../core/charge.ts';
import { digestOf } from '../core/digest.ts';
import { shortageOf } from '../core/key-shortage.ts';
import { isRowsFault, retried } from '../database-work.ts';
import type { KeyCapStore } from '../key-caps/key-cap-store.ts';
import type { LedgerStore } from '../ledger/ledger-store.ts';
import type { Pricing, Quote } from '../pricing/pricing.ts';
import type { HoldResult, JobStore, NewHold } from './job-store.ts';
import type { OpenJobs } from './open-jobs.ts';
import { RecentHolds } from './recent-holds.ts';

const MAX_BATCH = 256;
/**
 * A key at its limit is refused often, so its spending is read from the database at most once in
 * this time, in milliseconds.
 */
const SPENDING_GOOD_MS = 1_000;
const MAX_SPENDINGS = 10_000;
/** A hold expires after at most this time, in milliseconds, even if the ingress asks for longer. */
const LONGEST_MS = 24 * 3_600_000;

export interface HoldsOptions {
  readonly store: JobStore;
  readonly ledger: Pick<LedgerStore, 'owed'>;
  readonly keyCaps: Pick<KeyCapStore, 'spending'>;
  readonly pricing: Pick<Pricing, 'quote'>;
  readonly openJobs: OpenJobs;
  readonly alerts: Pick<Alerts, 'raise'>;
  readonly log: Logger;
  readonly now: () => number;
}

type HeldBounds = Pick<Hold, 'job' | 'promptBound' | 'outputBound'>;

/**
 * Sets money aside for a job: the cost of its prompt bound and its output bound. A repeated request
 * returns the hold that the first one made.
 */
export class Holds implements AsyncDisposable {
  readonly #options: HoldsOptions;
  readonly #batcher: Batcher<NewHold, HoldResult>;
  readonly #recent: RecentHolds;
  readonly #spending: LoadingCache<KeySpending | undefined>;

  constructor(options: HoldsOptions) {
    this.#options = options;
    this.#batcher = new Batcher({
      run: (rows) => this.#run(rows),
      maximum: MAX_BATCH,
      isItemsFault: isRowsFault,
    });
    const load = async (key: string) => {
      const [account, id] = key.split(' ', 2) as [string, string];
      return (await options.keyCaps.spending(account, id))[0];
    };
    this.#spending = new LoadingCache({
      load,
      ttlMs: SPENDING_GOOD_MS,
      maximum: MAX_SPENDINGS,
      now: options.now,
    });
    this.#recent = new RecentHolds({
      hold: (row) => this.#batcher.add(row),
      log: options.log,
      now: options.now,
    });
  }

  async hold(request: Hold): Promise<Held> {
    const { account, model, provider, maxPrice, isBatchLine, choices } = request;
    const quote = await this.#options.pricing.quote({ account, model, provider, isBatchLine });
    if (quote === undefined) return { ok: false, code: 'unpriced_model' };
    const { price, listed, terms } = quote;
    const isFree = isOwn(quote.payee, account);
    if (!isFree && isAbove(price, limitOf(listed, maxPrice)))
      return { ok: false, code: 'price_above_limit' };
    const rowOf = (bounds: HeldBounds) => this.#rowOf(bounds, request, { quote, isFree });
    const row = rowOf(request);
    const rows = [row, ...(choices ?? []).map(rowOf)];
    const { result, held } =
      choices === undefined ? await this.#batcher.add(row) : await this.#holdTogether(rows);
    if (result !== 'held') return this.#refusalOf(result, rows);
    const agreed = held === row.held && { agreed: agreedPrice(isFree ? FREE : price, terms) };
    return { ok: true, heldMicroUsd: held, ...agreed, ...(choices && { forChoices: true }) };
  }

  #rowOf(
    { job, promptBound, outputBound }: HeldBounds,
    { account, key, model, provider, lifeMs, expiresAt }: Hold,
    { quote, isFree }: { quote: Quote; isFree: boolean },
  ): NewHold {
    const bounds = { prompt: promptBound, completion: outputBound };
    return {
      job,
      account,
      key,
      model,
      promptBound,
      outputBound,
      ...quote,
      revision: 1,
      isVoid: false,
      providers: provider === undefined ? [] : [provider],
      held: isFree ? 0 : holdFor(quote.price, bounds, quote.terms.minimum),
      digest: digestOf([account, key, model, promptBound, outputBound]),
      lifeMs: Math.min(lifeMs ?? expiresAt - this.#options.now(), LONGEST_MS),
    };
  }

  /** Returns the result of the first row, or of the row that was refused. */
  async #holdTogether(rows: readonly NewHold[]): Promise<HoldResult> {
    const results = await retried(() => this.#options.store.holdTogether(rows));
    const refused = results.find(({ result }) => result !== 'held');
    if (refused === undefined) this.#note(rows, results);
    return refused ?? (results[0] as HoldResult);
  }

  async #refusalOf(
    result: Exclude<HoldResult['result'], 'held'>,
    rows: readonly NewHold[],
  ): Promise<Held> {
    const { ledger, alerts } = this.#options;
    const { job, account, key } = rows[0] as NewHold;
    // The end of the job arrived before this hold. Such a hold is late but no conflict, so it
    // raises no alert.
    if (result === 'ended') return { ok: false, code: 'operation_conflict' };
    if (result === 'operation_conflict') alerts.raise('operation_conflict', `hold:${job}`);
    const needed = rows.reduce((sum, row) => sum + row.held, 0);
    const shortage =
      result === 'key_limit' ? await this.#shortage(account, key, needed) : undefined;
    // An account that owes has no free money. Only for the message to the caller, as the shortage.
    const owedMicroUsd = result === 'insufficient_funds' ? await ledger.owed(account) : 0;
    return {
      ok: false,
      code: result,
      ...(shortage && { shortage }),
      ...(owedMicroUsd > 0 && { owedMicroUsd }),
    };
  }

  /** Finds the cap that the message to the caller names. Without it the refusal stands. */
  async #shortage(
    account: string,
    key: string,
    neededMicroUsd: number,
  ): Promise<KeyShortage | undefined> {
    const spending = await this.#spending.get(`${account} ${key}`);
    return spending && shortageOf(spending, neededMicroUsd);
  }

  /** Raises the hold when the job moves to another provider, whose price may be higher. */
  async topUp({ job, provider, maxPrice, isBatchLine }: TopUp): Promise<Topped> {
    const { store, pricing, openJobs } = this.#options;
    openJobs.forget([job]);
    const [known] = (await store.find([job])).held;
    if (known === undefined) return { ok: false, code: 'unknown_job' };
    const { account, model } = known;
    const quote = await pricing.quote({ account, model, provider, isBatchLine });
    if (quote === undefined) return { ok: false, code: 'unpriced_model' };
    const isFree = isOwn(quote.payee, account);
    if (!isFree && isAbove(quote.price, limitOf(quote.listed, maxPrice)))
      return { ok: false, code: 'price_above_limit' };
    const bounds = { prompt: known.promptBound, completion: known.outputBound };
    // The account's own machine needs no money and has no price. The previous price version stays,
    // because an end by the previous provider may still arrive.
    const [held, priceVersion] = isFree
      ? [0, known.priceVersion]
      : [holdFor(quote.price, bounds, known.terms.minimum), quote.priceVersion];
    const topped = await retried(() =>
      store.topUp(job, { provider, payee: quote.payee as string, priceVersion, held }),
    );
    return topped.result === 'held'
      ? {
          ok: true,
          heldMicroUsd: topped.held,
          agreed: agreedPrice(isFree ? FREE : quote.price, known.terms),
        }
      : { ok: false, code: topped.result };
  }

  /**
   * Requests recent holds again after a lost database connection, because the database may have
   * crashed.
   */
  requestAgain(): void {
    this.#recent.requestAgain();
  }

  async #run(rows: readonly NewHold[]): Promise<HoldResult[]> {
    // The statement accepts each job once. If a batch names a job twice, its rows run one after
    // another, so that the second request finds the hold of the first.
    const once = new Map(rows.map((row) => [row.job, row]));
    if (once.size < rows.length) return this.#oneAfterAnother(rows);
    const results = await retried(() => this.#options.store.hold(rows, false));
    this.#note(rows, results);
    return results;
  }

  #note(rows: readonly NewHold[], results: readonly HoldResult[]): void {
    const held = rows.filter(
      (row, index) => results[index]?.result === 'held' && results[index].held === row.held,
    );
    this.#options.openJobs.add(held);
    this.#recent.remember(held);
  }

  async #oneAfterAnother(rows: readonly NewHold[]): Promise<HoldResult[]> {
    const results: HoldResult[] = [];
    for (const row of rows) results.push(...(await this.#run([row])));
    return results;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#recent[Symbol.asyncDispose]();
  }
}

/**
 * An account pays nothing on its own machine. A job that moves to another owner's machine is topped
 * up.
 */
function isOwn(payee: string | null, account: string): boolean {
  return payee === `consumer:${account}`;
}

const agreedPrice = (price: Price, { minimum }: Pick<Terms, 'minimum'>): AgreedPrice => ({
  inputMicroUsdPerMillion: price.inputPerMillion,
  cacheReadMicroUsdPerMillion: price.cacheReadPerMillion,
  outputMicroUsdPerMillion: price.outputPerMillion,
  minimumMicroUsd: minimum,
});

type Limit = Pick<Price, 'inputPerMillion' | 'outputPerMillion'>;

/**
 * Prevents price gouging: a machine whose price is above the catalog's serves only callers who
 * accept a higher price.
 */
function limitOf(
  listed: Price,
  { inputMicroUsdPerMillion, outputMicroUsdPerMillion }: MaxPrice = {},
): Limit {
  return {
    inputPerMillion: inputMicroUsdPerMillion ?? listed.inputPerMillion,
    outputPerMillion: outputMicroUsdPerMillion ?? listed.outputPerMillion,
  };
}

const isAbove = (price: Limit, limit: Limit): boolean =>
  price.inputPerMillion > limit.inputPerMillion || price.outputPerMillion > limit.outputPerMillion;
