import type { Logger } from 'pino';
import { type Held, type Hold, type Reserved, services, type Topped } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import type { ChargeTerms } from '#coordinator/job-cost.ts';
import { callUntil } from './call-until.ts';
import { chargeTerms } from './core/answer-cost.ts';
import type { JobSpec } from './job-spec.ts';
import type { JobTrace } from './job-trace.ts';
import type { PlaceFinder } from './place-finder.ts';

const HOLD_EACH_MS = 2_000;
const HOLD_TOTAL_MS = 6_000;
const RESERVE_EACH_MS = 5_000;

export interface JobCallsOptions {
  readonly bus: Bus;
  readonly places: PlaceFinder;
  readonly log: Logger;
}

export interface WantedPlace {
  /** The only build that may serve the job; undefined for any of the model. */
  readonly build: string | undefined;
  readonly exclude: readonly string[];
  /** The only machines that may serve the job; undefined for any. */
  readonly only: readonly string[] | undefined;
  /** Longest wait in the queue of routing, in milliseconds. */
  readonly patienceMs: number;
  /** Time that is left until the first content must arrive, in milliseconds. */
  readonly firstContentMs: number;
}

/** When a hold ends by itself. */
type HoldLife = Required<Pick<Hold, 'lifeMs' | 'expiresAt'>>;

/** The calls of one job to routing and settlement. */
export class JobCalls {
  readonly #spec: JobSpec;
  readonly #bus: Bus;
  readonly #places: PlaceFinder;
  readonly #log: Logger;
  readonly #trace: JobTrace | undefined;
  #terms: ChargeTerms | undefined;
  /** The machine of the newest hold or top-up. */
  #heldFor: string | undefined;

  constructor(spec: JobSpec, { bus, places, log }: JobCallsOptions, trace: JobTrace | undefined) {
    this.#spec = spec;
    this.#bus = bus;
    this.#places = places;
    this.#log = log;
    this.#trace = trace;
  }

  reserve({
    build,
    exclude,
    only,
    patienceMs,
    firstContentMs,
  }: WantedPlace): Promise<Reserved | undefined> {
    const {
      id,
      account,
      model,
      promptEstimate,
      maxOutputTokens,
      ignore,
      requires,
      level,
      prefers,
      price,
      prefixes,
      clientSeals,
      explains,
      isBatchLine,
    } = this.#spec;
    const request = {
      job: id,
      account,
      model: model.id,
      builds: build === undefined ? model.builds : [build],
      promptTokens: promptEstimate,
      maxOutputTokens,
      patienceMs,
      firstContentMs,
      exclude: [...ignore, ...exclude],
      ...(only && { only: [...only] }),
      ...(requires.length > 0 && { requires: [...requires] }),
      ...(model.weights && { weights: model.weights }),
      ...(level && { level }),
      ...(prefers && { prefers }),
      ...(price && { price }),
      ...(clientSeals && { clientSeals }),
      ...(explains && { explains }),
      ...(isBatchLine && { isBatchLine }),
      ...(prefixes.length > 0 && { prefixes: [...prefixes] }),
    };
    const limits = {
      eachMs: RESERVE_EACH_MS,
      totalMs: patienceMs + RESERVE_EACH_MS,
      trace: this.#trace?.context,
    };
    return this.ask(() => this.#places.reserve(request, this.#spec.conversation, limits));
  }

  /** The terms of the newest hold or top-up; undefined before it, and if settlement sent none. */
  get terms(): ChargeTerms | undefined {
    return this.#terms;
  }

  /** Sets the money aside, or moves the hold that was made with the first choice to the provider. */
  async hold(provider: string, life: HoldLife): Promise<Held | undefined> {
    if (!this.#spec.jointHold?.covers(this.#spec.id)) return this.#newHold(provider, life);
    const moved = await this.#topUp(provider);
    if (moved === undefined || moved.ok) return moved;
    const { code } = moved;
    if (code !== 'unknown_job') return { ok: false, code };
    return this.#newHold(provider, life);
  }

  async #newHold(provider: string, life: HoldLife): Promise<Held | undefined> {
    const { id, account, key, model, promptBound, maxOutputTokens, maxPrice, isBatchLine } =
      this.#spec;
    const { jointHold } = this.#spec;
    const choices = jointHold?.choicesWith(id);
    const request = {
      job: id,
      account,
      key,
      model: model.id,
      provider,
      promptBound,
      outputBound: maxOutputTokens,
      ...(maxPrice && { maxPrice }),
      ...(isBatchLine && { isBatchLine }),
      ...(choices && { choices }),
      ...life,
    };
    if (choices) jointHold?.asked();
    const reply = await this.ask(() =>
      callUntil(this.#bus, services.settlement.hold, request, {
        eachMs: HOLD_EACH_MS,
        totalMs: HOLD_TOTAL_MS,
        trace: this.#trace?.context,
      }),
    );
    if (choices && reply) jointHold?.replied(reply.ok && reply.forChoices === true);
    if (reply?.ok) this.#heldWith(provider, chargeTerms(reply));
    return reply;
  }

  /**
   * Raises the hold for a further provider, which may have a higher price. The hold must also name
   * the provider so that settlement accepts its receipt. Returns the reason of a failure.
   */
  async topUp(provider: string): Promise<'unaffordable' | 'no_answer' | undefined> {
    if (this.#heldFor === provider) return undefined;
    const reply = await this.#topUp(provider);
    if (reply === undefined) return 'no_answer';
    return reply.ok ? undefined : 'unaffordable';
  }

  async #topUp(provider: string): Promise<Topped | undefined> {
    const { id, maxPrice, isBatchLine } = this.#spec;
    const request = {
      job: id,
      provider,
      ...(maxPrice && { maxPrice }),
      ...(isBatchLine && { isBatchLine }),
    };
    const reply = await this.ask(() =>
      callUntil(this.#bus, services.settlement.topUp, request, {
        eachMs: HOLD_EACH_MS,
        totalMs: HOLD_TOTAL_MS,
        trace: this.#trace?.context,
      }),
    );
    if (reply?.ok) this.#heldWith(provider, chargeTerms(reply));
    return reply;
  }

  #heldWith(provider: string, terms: ChargeTerms | undefined): void {
    this.#heldFor = provider;
    this.#terms = terms;
  }

  /**
   * Returns undefined for a call that failed, or whose reply is invalid: the job must still end.
   */
  async ask<Reply>(call: () => Promise<Reply | undefined>): Promise<Reply | undefined> {
    try {
      return await call();
    } catch (error) {
      this.#log.error({ job: this.#spec.id, err: error }, 'a call of a job failed');
      return undefined;
    }
  }
}
