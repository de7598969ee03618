import { type Decoder, PAGE_TOKENS, type StepResult, type UnitBytes } from '../decoders/decoder.ts';
import { type Guard, stepLimitMs, TRIM_LIMIT_MS, unguarded } from '../guarded-work.ts';
import type { Drafter } from '../speculation/draft-source.ts';
import { chooseTokens } from './choose-tokens.ts';
import { DraftedAnswers } from './drafted-answers.ts';
import { PagePool, type SharedPrompt } from './page-pool.ts';
import { ScheduledSequence } from './scheduled-sequence.ts';
import { advanceOf, SequenceStates } from './sequence-states.ts';
import { MovingSpeeds, type Speeds } from './speeds.ts';
import { StatePool } from './state-pool.ts';
import { type Part, partOf, stepOfParts, type TakenPart, tokensOf } from './step-parts.ts';
import { type BegunStep, StepsAhead } from './steps-ahead.ts';
import { StoredPrefixes, type UnitStore } from './stored-prefixes.ts';
import type { Running, Task, TaskEnd } from './task.ts';

interface SchedulerOptions {
  readonly decoder: Decoder;
  readonly pages: number;
  /** Number of the decoder's state slots; 0 if the model has no states. */
  readonly states?: number;
  /** Maximum number of tokens in one step. */
  readonly maxTokens: number;
  readonly maxRunning: number;
  /** Maximum time in milliseconds for which prompts may delay the next token of running answers. */
  readonly prefillMs: number;
  readonly speeds: Speeds;
  readonly guard?: Guard;
  /** Where pages outlive the process, and the sizes of what is stored; nothing is stored without it. */
  readonly stored?: { readonly store: UnitStore; readonly unitBytes: UnitBytes };
  readonly clock: () => number;
  /** Drafts tokens of answers; by default no tokens are drafted. */
  readonly drafter?: Drafter;
  /** Called after the decoder has failed and every task has ended. */
  readonly onFailure: (error: unknown) => void;
}

/** Minimum number of prompt tokens that a step has room for, however slow the machine is. */
const LEAST_CHUNK = 16;
/**
 * Time that a further token adds to a step, in steps, before the first drafts show it; or that of a
 * prompt’s token, if it is shorter.
 */
const FIRST_EXTRA = 0.1;
/**
 * Continuous batching: each step takes one token of every running answer, and fills the remaining
 * room with parts of prompts. Sequences join and leave between any two steps, independently of one
 * another.
 */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #pool: PagePool;
  readonly #states: SequenceStates;
  readonly #guard: Guard;
  readonly #answers: DraftedAnswers;
  readonly #ahead: StepsAhead;
  readonly #stored: StoredPrefixes | undefined;
  readonly #speeds: MovingSpeeds;
  #waiting: ScheduledSequence[] = [];
  #running: ScheduledSequence[] = [];
  #loop: Promise<void> | undefined;
  #failure: { readonly cause: unknown } | undefined;
  /** Set while a trim is requested: pages released before this time are freed. */
  #trimsBefore: number | undefined;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    const states = options.states ? new StatePool(options.states) : undefined;
    this.#pool = new PagePool(options.pages, states);
    this.#states = new SequenceStates(states, this.#pool);
    this.#guard = options.guard ?? unguarded;
    this.#speeds = new MovingSpeeds(options.speeds);
    const { prefillTps, decodeTps } = options.speeds;
    this.#answers = new DraftedAnswers({
      drafter: options.drafter,
      states: this.#states,
      maxTokens: options.maxTokens,
      perTokenMs: Math.min(1_000 / prefillTps, (1_000 * FIRST_EXTRA) / decodeTps),
    });
    this.#ahead = new StepsAhead(options.decoder, this.#answers);
    this.#stored =
      options.stored &&
      new StoredPrefixes({
        ...options.stored,
        decoder: options.decoder,
        pool: this.#pool,
        states,
        prefillTps: () => this.#speeds.prefillTps,
        guard: this.#guard,
        clock: options.clock,
        wake: () => this.#wake(),
      });
  }

  get #active(): readonly ScheduledSequence[] {
    return this.#running.filter(({ isActive }) => isActive);
  }

  get running(): number {
    return this.#running.length;
  }

  get freeTokens(): number {
    return this.#pool.available * PAGE_TOKENS;
  }

  get speeds(): Speeds {
    const { prefillTps, decodeTps } = this.#speeds;
    return { prefillTps, decodeTps };
  }

  /**
   * Minimum time in milliseconds, at the measured speed, until a prompt that arrives now and all
   * prompts before it are processed. 0 if there are none: the router already accounts for the speed
   * of an idle machine, and a machine that refused everything because of one slow measurement would
   * never measure again.
   */
  leastWaitMs(prefix: SharedPrompt): number {
    const unread = ({ task, worked }: ScheduledSequence) =>
      Math.max(0, task.prompt.length - worked);
    const before = [...this.#running, ...this.#waiting].reduce(
      (sum, sequence) => sum + (sequence.isPaused ? 0 : unread(sequence)),
      0,
    );
    if (before === 0) return 0;
    return (
      (1_000 * (before + prefix.prompt.length - this.#pool.knownTokens(prefix))) /
      this.#speeds.prefillTps
    );
  }

  /** Whether a prompt that ends with the page of this digest need not be computed. */
  isCached(digest: string): boolean {
    return this.#pool.isContinuable(digest);
  }

  submit(task: Task): Running {
    const sequence = new ScheduledSequence(task, () => this.#wake());
    const firstOther = this.#waiting.findIndex((other) => !other.task.isUrgent);
    if (task.isUrgent && firstOther >= 0) this.#waiting.splice(firstOther, 0, sequence);
    else this.#waiting.push(sequence);
    this.#wake();
    return sequence;
  }

  /**
   * Frees cached pages that no sequence has held for `idleMs`, and the decoder's memory above the
   * highest used page.
   */
  async trim(idleMs: number): Promise<void> {
    this.#trimsBefore = this.#options.clock() - idleMs;
    this.#wake();
    while (this.#loop !== undefined && this.#trimsBefore !== undefined) await this.#loop;
  }

  /** Cancels all tasks, and resolves when they have ended. */
  async close(): Promise<void> {
    for (const sequence of [...this.#running, ...this.#waiting]) sequence.cancel();
    this.#stored?.close();
    while (this.#loop !== undefined) await this.#loop;
  }

  #wake(): void {
    if (this.#failure !== undefined) return this.#endAll(this.#failure.cause);
    this.#loop ??= this.#run().finally(() => {
      this.#loop = undefined;
      // A task may have been submitted between the last check for work and this point.
      if (this.#failure === undefined && this.#hasWork()) this.#wake();
    });
  }

  #hasWork(): boolean {
    if (this.#trimsBefore !== undefined || (this.#waiting.length > 0 && this.#running.length === 0))
      return true;
    return (
      this.#stored?.hasWork === true ||
      this.#running.some(({ isActive, isCancelled }) => isActive || isCancelled) ||
      this.#waiting.some(({ isCancelled }) => isCancelled)
    );
  }

  async #run(): Promise<void> {
    // Tasks submitted in the same turn of the event loop join the first step.
    await Promise.resolve();
    for (;;) {
      this.#drop();
      if (this.#trimsBefore !== undefined && !(await this.#giveBack(this.#trimsBefore))) return;
      this.#admit();
      if (!(await this.#copyStored())) return;
      const drafting = this.#options.clock();
      const begun = this.#ahead.take(this.#active);
      const parts = await this.#parts(begun);
      if (parts.length === 0) {
        if (this.#stored?.hasWork !== true) return;
        continue;
      }
      const began = this.#options.clock();
      const expected = this.#ahead.expectedAfter(parts, this.#active);
      let result: StepResult;
      try {
        const step = stepOfParts(parts);
        result = await this.#guard({ kind: 'step', limitMs: this.#limitMs(parts) }, () =>
          this.#options.decoder.step(step, expected),
        );
      } catch (error) {
        return this.#break(error);
      }
      const answered = this.#options.clock();
      if (expected !== undefined) this.#ahead.begun(parts, answered);
      // The time of a step that was begun before a pause is not known.
      const from = result.wasAhead ? (begun?.at ?? answered) : began;
      this.#noteKept(parts);
      const taken = await chooseTokens(parts, result);
      const chosen = this.#options.clock();
      if (!(await this.#advance(taken))) return;
      for (const each of taken) this.#settle(each);
      const tookMs = answered - from + (this.#options.clock() - chosen);
      this.#measure(taken, { tookMs, draftMs: Math.max(0, from - drafting) });
    }
  }

  /** States of answers with rejected drafts move on. Returns false if the decoder has failed. */
  async #advance(taken: readonly TakenPart[]): Promise<boolean> {
    const advance = advanceOf(taken);
    if (advance === undefined) return true;
    try {
      const limitMs = stepLimitMs(this.speeds, 0);
      await this.#guard({ kind: 'step', limitMs }, () => this.#options.decoder.advance(advance));
      return true;
    } catch (error) {
      this.#break(error);
      return false;
    }
  }

  /** The decoder keeps states of its last step alone. */
  #noteKept(parts: readonly Part[]): void {
    for (const sequence of this.#running) sequence.kept = undefined;
    let index = 0;
    for (const { sequence, tokens } of parts) {
      sequence.kept = { from: sequence.worked, index };
      index += tokens.length;
    }
  }

  /** Returns false if the decoder has failed. */
  async #giveBack(before: number): Promise<boolean> {
    this.#trimsBefore = undefined;
    try {
      const pages = this.#pool.trim(before);
      await this.#guard({ kind: 'trim', limitMs: TRIM_LIMIT_MS }, () =>
        this.#options.decoder.keep(pages, this.#states.used),
      );
      await this.#options.drafter?.keep(pages);
      return true;
    } catch (error) {
      this.#break(error);
      return false;
    }
  }

  /** Copies pages to and from the store. Returns false if the decoder has failed. */
  async #copyStored(): Promise<boolean> {
    if (this.#stored === undefined) return true;
    try {
      await this.#stored.turn();
    } catch (error) {
      this.#break(error);
      return false;
    }
    for (const sequence of this.#running) if (sequence.load?.isDone) this.#continueAfter(sequence);
    return true;
  }

  /** The pages that were loaded need not be computed. */
  #continueAfter(sequence: ScheduledSequence): void {
    const { load, pages } = sequence;
    sequence.load = undefined;
    const hasState = sequence.state !== undefined;
    if (pages === undefined || (hasState && !load?.hasState)) return;
    sequence.worked = pages.named * PAGE_TOKENS;
    sequence.cachedTokens = sequence.worked;
    if (!hasState) return;
    sequence.marks = [sequence.worked, ...sequence.marks];
    this.#states.store(sequence);
  }

  #break(error: unknown): void {
    this.#failure = { cause: error };
    this.#stored?.close();
    this.#endAll(error);
    this.#options.onFailure(error);
  }

  #drop(): void {
    for (const sequence of [...this.#running, ...this.#waiting])
      if (sequence.isCancelled) this.#end(sequence, 'cancelled');
  }

  /** Admits tasks in order of arrival. A small task does not overtake one that needs more pages. */
  #admit(): void {
    for (
      let next = this.#waiting[0];
      next !== undefined && this.#running.length < this.#options.maxRunning;
      next = this.#waiting[0]
    ) {
      const { prompt, scope, images, maxTokens } = next.task;
      const prefix = { prompt, scope, images };
      const pages = this.#pool.take({ ...prefix, tokens: prompt.length + maxTokens });
      if (pages === undefined) return;
      if (!this.#states.admit(next, pages)) return this.#pool.release(pages, this.#options.clock());
      next.pages = pages;
      next.cachedTokens = pages.named * PAGE_TOKENS;
      next.worked = next.cachedTokens;
      if (next.task.isStorable)
        next.load = this.#stored?.load({ ...prefix, pages, state: next.state });
      this.#waiting.shift();
      this.#running.push(next);
    }
  }

  async #parts(begun: BegunStep | undefined): Promise<Part[]> {
    // Sequences that joined wait for one step. Otherwise, the decoder would throw it away.
    if (begun !== undefined) return this.#answers.parts(begun.sequences, true);
    const active = this.#active;
    const answering = active.filter(({ isAnswering }) => isAnswering);
    const parts = await this.#answers.parts(answering);
    let remaining = this.#options.maxTokens - tokensOf(parts);
    if (parts.length > 0)
      remaining = Math.min(
        remaining,
        Math.max(
          LEAST_CHUNK,
          Math.floor((this.#speeds.prefillTps * this.#options.prefillMs) / 1_000),
        ),
      );
    for (const sequence of active) {
      if (answering.includes(sequence) || remaining <= 0) continue;
      const part = partOf(sequence, remaining, this.#options.maxTokens - tokensOf(parts));
      if (part.tokens.length === 0) continue;
      parts.push(part);
      remaining -= part.tokens.length;
    }
    return parts;
  }

  /**
   * Measures speeds only in steps of one kind: the time of a mixed step cannot be divided between
   * both kinds.
   */
  #measure(
    taken: readonly TakenPart[],
    { tookMs, draftMs }: { tookMs: number; draftMs: number },
  ): void {
    const answers = taken.filter(({ part }) => part.isAnswer);
    const isOfAnswers = answers.length === taken.length;
    this.#answers.took(answers, isOfAnswers ? tookMs : undefined);
    if (tookMs <= 0) return;
    const tokens = tokensOf(taken.map(({ part }) => part));
    if (isOfAnswers) {
      const delivered = answers.reduce((sum, { accepted }) => sum + 1 + accepted, 0);
      this.#speeds.decoded(delivered / answers.length, tookMs + draftMs);
    } else if (answers.length === 0 && tokens >= LEAST_CHUNK)
      this.#speeds.prefilled(tokens, tookMs);
  }

  #limitMs(parts: readonly Part[]): number {
    const promptTokens = parts.reduce(
      (sum, { isAnswer, tokens }) => sum + (isAnswer ? 0 : tokens.length),
      0,
    );
    return stepLimitMs(this.speeds, promptTokens);
  }

  /**
   * Counts the computed tokens of a part without the rejected drafts, whose keys and values are
   * replaced by those of the tokens that follow.
   */
  #settle({ part, accepted, end }: TakenPart): void {
    const { sequence, pages, tokens, drafted, spareState } = part;
    const rejected = drafted.length - accepted;
    if (spareState !== undefined) this.#states.settleSpare(sequence, spareState, rejected === 0);
    sequence.worked += tokens.length - rejected;
    this.#pool.name(pages, sequence.tokens, sequence.worked);
    this.#states.store(sequence);
    if (sequence.task.isStorable && isLastOfPrompt(sequence, tokens.length - rejected))
      this.#stored?.offer({ ...sequence.task, pages });
    if (end !== undefined) this.#end(sequence, end.why, end.cause);
  }

  /** Everything that the sequence had is free before its task hears of the end and reports it. */
  #end(sequence: ScheduledSequence, why: TaskEnd, cause?: unknown): void {
    const isOther = (each: ScheduledSequence) => each !== sequence;
    this.#running = this.#running.filter(isOther);
    this.#waiting = this.#waiting.filter(isOther);
    sequence.load?.abandon();
    if (sequence.pages) this.#pool.release(sequence.pages, this.#options.clock());
    this.#states.release(sequence);
    this.#answers.end(sequence);
    sequence.task.end(why, cause);
  }

  #endAll(cause: unknown): void {
    for (const sequence of [...this.#running, ...this.#waiting]) {
      if (sequence.isCancelled) this.#end(sequence, 'cancelled');
      else this.#end(sequence, 'failed', cause);
    }
  }
}

/** True if the last `count` tokens that were computed completed the prompt. */
const isLastOfPrompt = ({ worked, task }: ScheduledSequence, count: number): boolean =>
  worked >= task.prompt.length && worked - count < task.prompt.length;
