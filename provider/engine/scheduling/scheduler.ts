import { type Decoder, NO_STATE, PAGE_TOKENS, type StepResult } from '../decoders/decoder.ts';
import { type StepPart, stepOf } from '../decoders/step.ts';
import { type Guard, stepLimitMs, TRIM_LIMIT_MS, unguarded } from '../guarded-work.ts';
import { PagePool, type SequencePages } from './page-pool.ts';
import { StatePool } from './state-pool.ts';

/** One sequence for the scheduler, which does not interpret its tokens. */
export interface Task {
  readonly prompt: readonly number[];
  readonly maxTokens: number;
  /** Only tasks of the same scope may share cached pages of a prompt. */
  readonly scope: string;
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
  readonly clock: () => number;
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
  /** Numbers of tokens after which the state is stored, in rising order. */
  marks: readonly number[] = [];
  /** Number of tokens whose keys and values are in the cache. */
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
    return this.worked > 0 && this.tokens.length - this.worked === 1;
  }

  get isFull(): boolean {
    return this.tokens.length >= this.task.prompt.length + this.task.maxTokens;
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
      this.#running.some(({ isPaused, isCancelled }) => !isPaused || isCancelled) ||
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
      const parts = this.#parts();
      if (parts.length === 0) return;
      const began = this.#options.clock();
      let result: StepResult;
      try {
        const wantsLogits = parts.some(
          ({ sequence, outputTokens }) => outputTokens === 'last' && sequence.task.wantsLogits,
        );
        const step = stepOf(
          parts.map(({ sequence, pages, ...part }) => ({
            ...part,
            from: sequence.worked,
            pages: pages.pages,
            ...stateOf(sequence),
          })),
          wantsLogits,
        );
        result = await this.#guard({ kind: 'step', limitMs: this.#limitMs(parts) }, () =>
          this.#options.decoder.step(step),
        );
      } catch (error) {
        return this.#break(error);
      }
      this.#measure(parts, this.#options.clock() - began);
      await this.#take(parts, result);
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
      return true;
    } catch (error) {
      this.#break(error);
      return false;
    }
  }

  #break(error: unknown): void {
    this.#failure = { cause: error };
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
      this.#waiting.shift();
      this.#running.push(next);
    }
  }

  #parts(): Part[] {
    const active = this.#running.filter(({ isPaused }) => !isPaused);
    const parts = active
      .filter(({ isAnswering }) => isAnswering)
      .map((sequence) => partOf(sequence, 1));
    let remaining = this.#options.maxTokens - parts.length;
    if (parts.length > 0)
      remaining = Math.min(
        remaining,
        Math.max(LEAST_CHUNK, Math.floor((this.#prefillTps * this.#options.prefillMs) / 1_000)),
      );
    for (const sequence of active) {
      if (sequence.isAnswering || remaining <= 0) continue;
      const part = partOf(sequence, remaining);
      parts.push(part);
      remaining -= part.tokens.length;
    }
    return parts;
  }

  /**
   * Measures speeds only in steps of one kind: the time of a mixed step cannot be divided between
   * both kinds.
   */
  #measure(parts: readonly Part[], tookMs: number): void {
    if (tookMs <= 0) return;
    const smooth = (before: number, now: number) => before + SMOOTHING * (now - before);
    const prompts = parts.filter(({ sequence }) => !sequence.isAnswering);
    const tokens = parts.reduce((sum, part) => sum + part.tokens.length, 0);
    if (prompts.length === 0) this.#decodeTps = smooth(this.#decodeTps, 1_000 / tookMs);
    else if (prompts.length === parts.length && tokens >= LEAST_CHUNK)
      this.#prefillTps = smooth(this.#prefillTps, (1_000 * tokens) / tookMs);
  }

  #limitMs(parts: readonly Part[]): number {
    const promptTokens = parts.reduce(
      (sum, { sequence, tokens }) => sum + (sequence.isAnswering ? 0 : tokens.length),
      0,
    );
    return stepLimitMs(this.speeds, promptTokens);
  }

  async #take(parts: readonly Part[], { best, logits }: StepResult): Promise<void> {
    let output = 0;
    const vocabulary = logits === undefined ? 0 : logits.length / best.length;
    const ended = new Set<ScheduledSequence>();
    for (const { sequence, tokens, pages, outputTokens } of parts) {
      sequence.worked += tokens.length;
      this.#pool.name(
        pages,
        outputTokens === 'last' ? sequence.tokens : sequence.tokens.slice(0, sequence.worked),
      );
      if (this.#states !== undefined) this.#storeState(this.#states, sequence);
      if (outputTokens === 'none') continue;
      const row = sequence.task.wantsLogits
        ? logits?.subarray(output * vocabulary, (output + 1) * vocabulary)
        : undefined;
      const choice = await this.#choose(sequence, best[output] as number, row);
      output += 1;
      if (choice === undefined) continue;
      ended.add(sequence);
      this.#end(sequence, choice.why, choice.cause);
    }
    if (ended.size > 0) this.#running = this.#running.filter((sequence) => !ended.has(sequence));
  }

  /** Returns the reason if the sequence ends with this step. */
  async #choose(
    sequence: ScheduledSequence,
    best: number,
    row: Float32Array | undefined,
  ): Promise<{ why: TaskEnd; cause?: unknown } | undefined> {
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
    if (sequence.pages) this.#pool.release(sequence.pages, this.#options.clock());
    this.#releaseState(sequence);
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
  readonly tokens: readonly number[];
  readonly outputTokens: 'last' | 'none';
}

function stateOf({ state, continued, worked }: ScheduledSequence): Pick<StepPart, 'state'> {
  if (state === undefined) return {};
  return { state: { read: continued ?? (worked === 0 ? NO_STATE : state), write: state } };
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
    outputTokens: isWhole ? 'last' : 'none',
  };
}
