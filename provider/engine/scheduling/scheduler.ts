import {
  type Decoder,
  NO_STATE,
  PAGE_TOKENS,
  type StepResult,
  type UnitBytes,
} from '../decoders/decoder.ts';
import { type StepPart, stepOf } from '../decoders/step.ts';
import { type Guard, stepLimitMs, TRIM_LIMIT_MS, unguarded } from '../guarded-work.ts';
import type { AnswerDrafts } from '../speculation/answer-drafts.ts';
import type { Drafter } from '../speculation/draft-source.ts';
import { Speculation } from '../speculation/speculation.ts';
import { PagePool, type SequencePages } from './page-pool.ts';
import type { PrefixLoad } from './prefix-load.ts';
import { StatePool } from './state-pool.ts';
import { StoredPrefixes, type UnitStore } from './stored-prefixes.ts';

/** One sequence for the scheduler, which does not interpret its tokens. */
export interface Task {
  readonly prompt: readonly number[];
  readonly maxTokens: number;
  /** Only tasks of the same scope may share cached pages of a prompt. */
  readonly scope: string;
  /**
   * True if its pages may be stored and used after a restart of the process. The scope must then be
   * secret, and the same for later requests of the same customer.
   */
  readonly isStorable?: boolean;
  /** True if it goes before all waiting tasks without this. */
  readonly isUrgent?: boolean;
  /** True if `choose` needs the logits of the whole vocabulary, not only the most likely token. */
  readonly wantsLogits: boolean;
  /**
   * Chooses the next token. `row` contains the logits if `wantsLogits` is true. Undefined or an
   * error ends the sequence.
   */
  choose(
    best: number,
    row: Float32Array | undefined,
  ): number | undefined | Promise<number | undefined>;
  /**
   * Called once when the sequence ends. `cause` is the error of the decoder or of `choose`, if one
   * failed.
   */
  end(why: TaskEnd, cause?: unknown): void;
}

export type TaskEnd = 'done' | 'length' | 'cancelled' | 'failed';

export interface Running {
  /** Number of tokens of the prompt that were found in the cache. */
  readonly cachedTokens: number;
  pause(): void;
  resume(): void;
  cancel(): void;
}

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

/** Tokens per second: of prompts, and of the answer of one sequence. */
export interface Speeds {
  readonly prefillTps: number;
  readonly decodeTps: number;
}

/** Minimum number of prompt tokens that a step has room for, however slow the machine is. */
const LEAST_CHUNK = 16;
const SMOOTHING = 0.2;
/**
 * Time that a further token adds to a step, in steps, before the first drafts show it; or that of a
 * prompt’s token, if it is shorter.
 */
const FIRST_EXTRA = 0.1;
/**
 * Maximum number of tokens that an answer may have to compute before it gets further drafts. It is more
 * than one if tokens were accepted that are not in the state yet.
 */
const MOST_REPEATED = 8;

class ScheduledSequence implements Running {
  readonly task: Task;
  readonly tokens: number[];
  readonly #wake: () => void;
  /** Undefined while the sequence waits. */
  pages: SequencePages | undefined;
  /** The slot of the sequence's state while it runs, if the model has states. */
  state: number | undefined;
  /** The slot of a stored state that the next step continues, and that the sequence holds. */
  continued: number | undefined;
  /** Set while pages of the prompt are read from the store: the sequence takes part in no step. */
  load: PrefixLoad | undefined;
  /** Numbers of tokens after which the state is stored, in rising order. */
  marks: readonly number[] = [];
  /** Undefined until the answer begins, and if no tokens are drafted. */
  drafts: AnswerDrafts | undefined;
  /** Number of tokens whose keys and values are in the cache, and in the state. */
  worked = 0;
  cachedTokens = 0;
  isPaused = false;
  isCancelled = false;

  constructor(task: Task, wake: () => void) {
    this.task = task;
    this.tokens = [...task.prompt];
    this.#wake = wake;
  }

  get isAnswering(): boolean {
    return (
      this.tokens.length > this.task.prompt.length ||
      (this.worked > 0 && this.tokens.length - this.worked === 1)
    );
  }

  /** Number of tokens that the answer may still get. */
  get remaining(): number {
    return this.task.prompt.length + this.task.maxTokens - this.tokens.length;
  }

  /** True if a step may compute its next tokens. */
  get isActive(): boolean {
    return !this.isPaused && this.load === undefined;
  }

  get isFull(): boolean {
    return this.remaining <= 0;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    this.#wake();
  }

  cancel(): void {
    this.isCancelled = true;
    this.#wake();
  }
}

/**
 * Continuous batching: each step takes one token of every running answer, and fills the remaining
 * room with parts of prompts. Sequences join and leave between any two steps, independently of one
 * another.
 */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #pool: PagePool;
  /** Undefined if the model has no states. */
  readonly #states: StatePool | undefined;
  readonly #guard: Guard;
  readonly #speculation: Speculation;
  readonly #stored: StoredPrefixes | undefined;
  #waiting: ScheduledSequence[] = [];
  #running: ScheduledSequence[] = [];
  #loop: Promise<void> | undefined;
  #failure: { readonly cause: unknown } | undefined;
  /** Set while a trim is requested: pages released before this time are freed. */
  #trimsBefore: number | undefined;
  #prefillTps: number;
  #decodeTps: number;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#states = options.states ? new StatePool(options.states) : undefined;
    this.#pool = new PagePool(options.pages, this.#states);
    this.#guard = options.guard ?? unguarded;
    this.#prefillTps = options.speeds.prefillTps;
    this.#decodeTps = options.speeds.decodeTps;
    const { prefillTps, decodeTps } = options.speeds;
    this.#speculation = new Speculation(
      Math.min(1_000 / prefillTps, (1_000 * FIRST_EXTRA) / decodeTps),
    );
    this.#stored =
      options.stored &&
      new StoredPrefixes({
        ...options.stored,
        decoder: options.decoder,
        pool: this.#pool,
        states: this.#states,
        prefillTps: () => this.#prefillTps,
        guard: this.#guard,
        clock: options.clock,
        wake: () => this.#wake(),
      });
  }

  get running(): number {
    return this.#running.length;
  }

  get freeTokens(): number {
    return this.#pool.available * PAGE_TOKENS;
  }

  get speeds(): Speeds {
    return { prefillTps: this.#prefillTps, decodeTps: this.#decodeTps };
  }

  /**
   * Minimum time in milliseconds, at the measured speed, until a prompt that arrives now and all
   * prompts before it are processed. 0 if there are none: the router already accounts for the speed
   * of an idle machine, and a machine that refused everything because of one slow measurement would
   * never measure again.
   */
  leastWaitMs({ prompt, scope }: Pick<Task, 'prompt' | 'scope'>): number {
    const unread = ({ task, worked }: ScheduledSequence) =>
      Math.max(0, task.prompt.length - worked);
    const before = [...this.#running, ...this.#waiting].reduce(
      (sum, sequence) => sum + (sequence.isPaused ? 0 : unread(sequence)),
      0,
    );
    if (before === 0) return 0;
    return (
      (1_000 * (before + prompt.length - this.#pool.knownTokens(prompt, scope))) / this.#prefillTps
    );
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
      const parts = await this.#parts();
      if (parts.length === 0) {
        if (this.#stored?.hasWork !== true) return;
        continue;
      }
      const began = this.#options.clock();
      let result: StepResult;
      try {
        const wantsLogits = parts.some(
          ({ sequence, outputs }) => outputs > 0 && sequence.task.wantsLogits,
        );
        const step = stepOf(
          parts.map(({ sequence, pages, tokens, outputs, spareState }) => ({
            tokens,
            outputTokens: outputs,
            from: sequence.worked,
            pages: pages.pages,
            ...stateOf(sequence, spareState),
          })),
          wantsLogits,
        );
        result = await this.#guard({ kind: 'step', limitMs: this.#limitMs(parts) }, () =>
          this.#options.decoder.step(step),
        );
      } catch (error) {
        return this.#break(error);
      }
      const tookMs = this.#options.clock() - began;
      const taken = await this.#take(parts, result);
      this.#measure(taken, { tookMs, draftMs: began - drafting });
    }
  }

  /** Returns false if the decoder has failed. */
  async #giveBack(before: number): Promise<boolean> {
    this.#trimsBefore = undefined;
    try {
      const pages = this.#pool.trim(before);
      await this.#guard({ kind: 'trim', limitMs: TRIM_LIMIT_MS }, () =>
        this.#options.decoder.keep(pages, this.#states?.used ?? 0),
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
    if (pages === undefined || (this.#states !== undefined && !load?.hasState)) return;
    sequence.worked = pages.named * PAGE_TOKENS;
    sequence.cachedTokens = sequence.worked;
    if (this.#states === undefined) return;
    sequence.marks = [sequence.worked, ...sequence.marks];
    this.#storeState(this.#states, sequence);
  }

  #break(error: unknown): void {
    this.#failure = { cause: error };
    this.#stored?.close();
    this.#endAll(error);
    this.#options.onFailure(error);
  }

  #drop(): void {
    const remain = (sequence: ScheduledSequence) => {
      if (sequence.isCancelled) this.#end(sequence, 'cancelled');
      return !sequence.isCancelled;
    };
    this.#running = this.#running.filter(remain);
    this.#waiting = this.#waiting.filter(remain);
  }

  /** Admits tasks in order of arrival. A small task does not overtake one that needs more pages. */
  #admit(): void {
    for (
      let next = this.#waiting[0];
      next !== undefined && this.#running.length < this.#options.maxRunning;
      next = this.#waiting[0]
    ) {
      const { prompt, scope, maxTokens } = next.task;
      const pages = this.#pool.take({ prompt, scope, tokens: prompt.length + maxTokens });
      if (pages === undefined) return;
      next.continued = pages.state;
      next.state = this.#states?.take();
      if (this.#states !== undefined && next.state === undefined) {
        this.#pool.release(pages, this.#options.clock());
        return this.#releaseState(next);
      }
      next.pages = pages;
      next.marks = this.#states === undefined ? [] : marksOf(prompt, pages);
      next.cachedTokens = pages.named * PAGE_TOKENS;
      next.worked = next.cachedTokens;
      if (next.task.isStorable)
        next.load = this.#stored?.load({ prompt, scope, pages, state: next.state });
      this.#waiting.shift();
      this.#running.push(next);
    }
  }

  async #parts(): Promise<Part[]> {
    const active = this.#running.filter(({ isActive }) => isActive);
    const answering = active.filter(({ isAnswering }) => isAnswering);
    const parts = await this.#answerParts(answering);
    let remaining = this.#options.maxTokens - tokensOf(parts);
    if (parts.length > 0)
      remaining = Math.min(
        remaining,
        Math.max(LEAST_CHUNK, Math.floor((this.#prefillTps * this.#options.prefillMs) / 1_000)),
      );
    for (const sequence of active) {
      if (answering.includes(sequence) || remaining <= 0) continue;
      const part = partOf(sequence, remaining);
      parts.push(part);
      remaining -= part.tokens.length;
    }
    return parts;
  }

  /** The next tokens of all running answers, with drafts of the tokens after them. */
  async #answerParts(answering: readonly ScheduledSequence[]): Promise<Part[]> {
    const { drafter, maxTokens } = this.#options;
    const share = Math.floor(maxTokens / Math.max(1, answering.length));
    const parts = answering.map((sequence) => partOf(sequence, share));
    if (drafter === undefined) return parts;
    const drafted = await this.#speculation.draft(
      answering.map((sequence, i) => {
        const { outputs, tokens, pages } = parts[i] as Part;
        const own = pages.pages.subarray(sequence.cachedTokens / PAGE_TOKENS);
        sequence.drafts ??= this.#speculation.begin(drafter.begin(sequence.task, own));
        const mayDraft =
          outputs === 1 && tokens.length <= MOST_REPEATED && sequence.continued === undefined;
        return {
          drafts: sequence.drafts,
          tokens: sequence.tokens,
          most: mayDraft ? Math.max(0, sequence.remaining - 1) : 0,
        };
      }),
      maxTokens - tokensOf(parts),
    );
    return parts.map((part, i) => this.#withDrafts(part, drafted[i] ?? []));
  }

  /** A sequence with a state needs a second slot: a state cannot be taken back by some tokens. */
  #withDrafts(part: Part, drafted: readonly number[]): Part {
    if (drafted.length === 0) return part;
    const spareState = this.#states?.take();
    if (this.#states !== undefined && spareState === undefined) return part;
    return {
      ...part,
      tokens: [...part.tokens, ...drafted],
      drafted,
      outputs: 1 + drafted.length,
      spareState,
    };
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
    if (this.#options.drafter !== undefined && answers.length > 0)
      this.#speculation.took(
        answers.map(({ part: { sequence, tokens }, accepted }) => ({
          drafts: sequence.drafts as AnswerDrafts,
          accepted,
          tokens: tokens.length,
        })),
        isOfAnswers ? tookMs : undefined,
      );
    if (tookMs <= 0) return;
    const smooth = (before: number, now: number) => before + SMOOTHING * (now - before);
    const tokens = tokensOf(taken.map(({ part }) => part));
    if (isOfAnswers) {
      const delivered = answers.reduce((sum, { accepted }) => sum + 1 + accepted, 0);
      const tps = (1_000 * delivered) / answers.length / (tookMs + draftMs);
      this.#decodeTps = smooth(this.#decodeTps, tps);
    } else if (answers.length === 0 && tokens >= LEAST_CHUNK)
      this.#prefillTps = smooth(this.#prefillTps, (1_000 * tokens) / tookMs);
  }

  #limitMs(parts: readonly Part[]): number {
    const promptTokens = parts.reduce(
      (sum, { isAnswer, tokens }) => sum + (isAnswer ? 0 : tokens.length),
      0,
    );
    return stepLimitMs(this.speeds, promptTokens);
  }

  async #take(parts: readonly Part[], { best, logits }: StepResult): Promise<TakenPart[]> {
    const taken: TakenPart[] = [];
    let output = 0;
    const vocabulary = logits === undefined ? 0 : logits.length / best.length;
    const ended = new Set<ScheduledSequence>();
    for (const part of parts) {
      const { sequence } = part;
      const length = sequence.tokens.length;
      let choice: Choice | undefined;
      for (let i = 0; i < part.outputs; i += 1) {
        const at = output + i;
        const row = sequence.task.wantsLogits
          ? logits?.subarray(at * vocabulary, (at + 1) * vocabulary)
          : undefined;
        choice = await this.#choose(sequence, best[at] as number, row);
        const isDrafted = sequence.tokens[length + i] === part.drafted[i];
        if (choice !== undefined || !isDrafted || sequence.isPaused || sequence.isCancelled) break;
      }
      output += part.outputs;
      // The last chosen token is not computed yet, also if it was drafted and the sequence paused.
      const accepted = Math.max(0, sequence.tokens.length - length - 1);
      taken.push({ part, accepted });
      this.#settle(part, accepted);
      if (choice === undefined) continue;
      ended.add(sequence);
      this.#end(sequence, choice.why, choice.cause);
    }
    if (ended.size > 0) this.#running = this.#running.filter((sequence) => !ended.has(sequence));
    return taken;
  }

  /**
   * Counts the computed tokens of a part without the rejected drafts, whose keys and values are
   * replaced by those of the tokens that follow. If a sequence with a state has rejected drafts, its
   * state is still the one before this step, and all tokens of the step are computed again.
   */
  #settle({ sequence, pages, tokens, drafted, spareState }: Part, accepted: number): void {
    const rejected = drafted.length - accepted;
    if (spareState !== undefined) {
      const [kept, freed] =
        rejected === 0 ? [spareState, sequence.state] : [sequence.state, spareState];
      sequence.state = kept;
      if (freed !== undefined) this.#states?.release(freed);
      if (rejected > 0) return;
    }
    sequence.worked += tokens.length - rejected;
    this.#pool.name(pages, sequence.tokens, sequence.worked);
    if (this.#states !== undefined) this.#storeState(this.#states, sequence);
    if (sequence.task.isStorable && isLastOfPrompt(sequence, tokens.length - rejected))
      this.#stored?.offer({ ...sequence.task, pages });
  }

  /** Returns the reason if the sequence ends with this step. */
  async #choose(
    sequence: ScheduledSequence,
    best: number,
    row: Float32Array | undefined,
  ): Promise<Choice | undefined> {
    let token: number | undefined;
    try {
      token = await sequence.task.choose(best, row);
    } catch (cause) {
      return { why: 'failed', cause };
    }
    if (token === undefined) return { why: 'done' };
    sequence.tokens.push(token);
    return sequence.isFull ? { why: 'length' } : undefined;
  }

  #end(sequence: ScheduledSequence, why: TaskEnd, cause?: unknown): void {
    sequence.load?.abandon();
    if (sequence.pages) this.#pool.release(sequence.pages, this.#options.clock());
    this.#releaseState(sequence);
    if (sequence.drafts !== undefined) this.#speculation.end(sequence.drafts);
    sequence.task.end(why, cause);
  }

  /**
   * Stores the state after a step that ends at a mark. The sequence then reads the stored state in
   * its next step, and writes to another slot.
   */
  #storeState(states: StatePool, sequence: ScheduledSequence): void {
    if (sequence.continued !== undefined) states.letGo(sequence.continued);
    sequence.continued = undefined;
    const { pages, state, marks, worked } = sequence;
    if (pages === undefined || state === undefined || !marks.includes(worked)) return;
    const fresh = states.take();
    if (fresh === undefined) return;
    if (!this.#pool.store(pages, state)) return states.release(fresh);
    sequence.continued = state;
    sequence.state = fresh;
  }

  #releaseState(sequence: ScheduledSequence): void {
    if (sequence.continued !== undefined) this.#states?.letGo(sequence.continued);
    if (sequence.state !== undefined) this.#states?.release(sequence.state);
    sequence.continued = undefined;
    sequence.state = undefined;
  }

  #endAll(cause: unknown): void {
    for (const sequence of [...this.#running.splice(0), ...this.#waiting.splice(0)]) {
      if (sequence.isCancelled) this.#end(sequence, 'cancelled');
      else this.#end(sequence, 'failed', cause);
    }
  }
}

interface Part {
  readonly sequence: ScheduledSequence;
  readonly pages: SequencePages;
  /** With the drafted ones at the end. */
  readonly tokens: readonly number[];
  readonly drafted: readonly number[];
  /** Number of tokens at the end whose next token is computed. */
  readonly outputs: number;
  readonly isAnswer: boolean;
  /** The state slot that is written to, if another one must keep the state before the drafts. */
  readonly spareState?: number | undefined;
}

interface TakenPart {
  readonly part: Part;
  /** Number of drafted tokens that were chosen. */
  readonly accepted: number;
}

/** Why a sequence ends. */
interface Choice {
  readonly why: TaskEnd;
  readonly cause?: unknown;
}

const tokensOf = (parts: readonly Part[]): number =>
  parts.reduce((sum, { tokens }) => sum + tokens.length, 0);

/** True if the last `count` tokens that were computed completed the prompt. */
const isLastOfPrompt = ({ worked, task }: ScheduledSequence, count: number): boolean =>
  worked >= task.prompt.length && worked - count < task.prompt.length;

function stateOf(
  { state, continued, worked }: ScheduledSequence,
  spare: number | undefined,
): Pick<StepPart, 'state'> {
  if (state === undefined) return {};
  return { state: { read: continued ?? (worked === 0 ? NO_STATE : state), write: spare ?? state } };
}

/**
 * The places of a prompt after which its state is stored: its last full page, from which the same
 * conversation continues, and the last page that an earlier prompt began with too.
 */
function marksOf(prompt: readonly number[], { known }: SequencePages): number[] {
  const last = Math.floor((prompt.length - 1) / PAGE_TOKENS);
  return [Math.min(known, last) * PAGE_TOKENS, last * PAGE_TOKENS];
}

/** Returns the sequence's next tokens, at most `most` of them, and none after its next mark. */
function partOf(sequence: ScheduledSequence, most: number): Part {
  const { worked, marks } = sequence;
  const mark = marks.find((at) => at > worked) ?? Number.POSITIVE_INFINITY;
  const tokens = sequence.tokens.slice(worked, Math.min(worked + most, mark));
  const isWhole = sequence.worked + tokens.length === sequence.tokens.length;
  return {
    sequence,
    pages: sequence.pages as SequencePages,
    tokens,
    drafted: [],
    outputs: isWhole ? 1 : 0,
    isAnswer: sequence.isAnswering,
  };
}
