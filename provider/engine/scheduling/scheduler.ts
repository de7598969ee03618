import type { Decoder, Step, StepResult } from '../decoders/decoder.ts';
import { PAGE_TOKENS } from '../decoders/decoder.ts';
import { PagePool, type SequencePages } from './page-pool.ts';

/** One sequence as the scheduler sees it. What its tokens mean is for others to say. */
export interface Task {
  readonly prompt: readonly number[];
  readonly maxTokens: number;
  /** Only tasks of the same scope may share what was worked out for a prompt. */
  readonly scope: string;
  /** It needs the whole vocabulary's logits to choose from, not just the likeliest token. */
  readonly wantsLogits: boolean;
  /** The next token. `row` is its logits when it wants them; a choice may wait for something. Nothing ends the sequence. */
  choose(best: number, row: Float32Array | undefined): number | undefined | Promise<number | undefined>;
  /** No more tokens come: the text is at its end, as long as allowed, or was cancelled; or the decoder failed. */
  end(why: TaskEnd): void;
}

export type TaskEnd = 'done' | 'length' | 'cancelled' | 'failed';

export interface Running {
  /** Tokens of the prompt that had been worked out before. */
  readonly cachedTokens: number;
  pause(): void;
  resume(): void;
  cancel(): void;
}

export interface SchedulerOptions {
  readonly decoder: Decoder;
  readonly pages: number;
  /** The most tokens of one step. */
  readonly maxTokens: number;
  readonly maxRunning: number;
  /** While others wait for their next token, a prompt may hold them up for so long at once. */
  readonly prefillMs: number;
  readonly speeds: Speeds;
  readonly clock: () => number;
  /** Called when the decoder has failed; every task has ended. */
  readonly onFailure: (error: unknown) => void;
}

/** Tokens in a second: of prompts, and of one sequence's answer. */
export interface Speeds {
  readonly prefillTps: number;
  readonly decodeTps: number;
}

/** A prompt's piece is never smaller, however slow the machine. */
const LEAST_CHUNK = 16;
const SMOOTHING = 0.2;

interface Sequence extends Running {
  readonly task: Task;
  readonly tokens: number[];
  readonly pages: SequencePages;
  /** Tokens whose keys and values are in the cache. */
  worked: number;
  paused: boolean;
  cancelled: boolean;
  cachedTokens: number;
}

/**
 * Continuous batching: each step takes one token of every sequence that is being answered and fills up with pieces of prompts.
 * Sequences join and leave between any two steps; none knows of another.
 */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #pool: PagePool;
  readonly #waiting: { task: Task; start: (sequence: Sequence) => void; cancelled: boolean }[] = [];
  #running: Sequence[] = [];
  #loop: Promise<void> | undefined;
  #failed = false;
  #prefillTps: number;
  #decodeTps: number;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#pool = new PagePool(options.pages);
    this.#prefillTps = options.speeds.prefillTps;
    this.#decodeTps = options.speeds.decodeTps;
  }

  get running(): number {
    return this.#running.length;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get freeTokens(): number {
    return this.#pool.available * PAGE_TOKENS;
  }

  get speeds(): Speeds {
    return { prefillTps: this.#prefillTps, decodeTps: this.#decodeTps };
  }

  submit(task: Task): Running {
    let running: Sequence | undefined;
    let paused = false;
    const waiting = {
      task,
      cancelled: false,
      start: (sequence: Sequence) => {
        running = sequence;
        sequence.paused = paused;
      },
    };
    this.#waiting.push(waiting);
    this.#wake();
    return {
      get cachedTokens() {
        return running?.cachedTokens ?? 0;
      },
      pause: () => {
        paused = true;
        running?.pause();
      },
      resume: () => {
        paused = false;
        running?.resume();
      },
      cancel: () => {
        waiting.cancelled = true;
        running?.cancel();
        this.#wake();
      },
    };
  }

  /** All tasks have ended when it is done. */
  async close(): Promise<void> {
    for (const sequence of this.#running) sequence.cancel();
    for (const waiting of this.#waiting) waiting.cancelled = true;
    this.#wake();
    while (this.#loop !== undefined) await this.#loop;
  }

  #wake(): void {
    if (this.#failed) return this.#endAll('failed');
    this.#loop ??= this.#run().finally(() => {
      this.#loop = undefined;
      // Whoever came while the last step was being cleared away.
      if (!this.#failed && (this.#waiting.some(({ cancelled }) => cancelled) || this.#canWork())) this.#wake();
    });
  }

  #canWork(): boolean {
    return this.#running.some(({ paused, cancelled }) => !paused || cancelled) || (this.#waiting.length > 0 && this.#running.length === 0);
  }

  async #run(): Promise<void> {
    // Whoever submits in the same turn joins the first step.
    await Promise.resolve();
    for (;;) {
      this.#drop();
      this.#admit();
      const parts = this.#parts();
      if (parts.length === 0) return;
      const began = this.#options.clock();
      let result: StepResult;
      try {
        result = await this.#options.decoder.step(stepOf(parts));
      } catch (error) {
        this.#failed = true;
        this.#endAll('failed');
        return this.#options.onFailure(error);
      }
      this.#measure(parts, this.#options.clock() - began);
      await this.#take(parts, result);
    }
  }

  #drop(): void {
    this.#running = this.#running.filter((sequence) => {
      if (sequence.cancelled) this.#end(sequence, 'cancelled');
      return !sequence.cancelled;
    });
    for (let i = this.#waiting.length - 1; i >= 0; i -= 1) {
      if (!this.#waiting[i]?.cancelled) continue;
      const [gone] = this.#waiting.splice(i, 1);
      gone?.task.end('cancelled');
    }
  }

  /** In the order in which they came: none overtakes one that needs more room. */
  #admit(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#running.length < this.#options.maxRunning; next = this.#waiting[0]) {
      const { task, start } = next;
      const pages = this.#pool.take({ prompt: task.prompt, scope: task.scope, tokens: task.prompt.length + task.maxTokens });
      if (pages === undefined) return;
      this.#waiting.shift();
      const cachedTokens = pages.named * PAGE_TOKENS;
      const sequence: Sequence = {
        task,
        pages,
        cachedTokens,
        tokens: [...task.prompt],
        worked: cachedTokens,
        paused: false,
        cancelled: false,
        pause: () => {
          sequence.paused = true;
        },
        resume: () => {
          sequence.paused = false;
          this.#wake();
        },
        cancel: () => {
          sequence.cancelled = true;
        },
      };
      start(sequence);
      this.#running.push(sequence);
    }
  }

  #parts(): Part[] {
    const active = this.#running.filter(({ paused }) => !paused);
    const parts: Part[] = active.filter(isAnswering).map((sequence) => ({ sequence, count: 1 }));
    let room = this.#options.maxTokens - parts.length;
    if (parts.length > 0) room = Math.min(room, Math.max(LEAST_CHUNK, Math.floor((this.#prefillTps * this.#options.prefillMs) / 1_000)));
    for (const sequence of active) {
      if (isAnswering(sequence) || room <= 0) continue;
      const count = Math.min(room, sequence.tokens.length - sequence.worked);
      parts.push({ sequence, count });
      room -= count;
    }
    return parts;
  }

  /** Speeds from steps of one kind only: in mixed ones nobody can tell whose time it was. */
  #measure(parts: readonly Part[], tookMs: number): void {
    if (tookMs <= 0) return;
    const smooth = (before: number, now: number) => before + SMOOTHING * (now - before);
    const prompts = parts.filter(({ sequence }) => !isAnswering(sequence));
    const tokens = parts.reduce((sum, { count }) => sum + count, 0);
    if (prompts.length === 0) this.#decodeTps = smooth(this.#decodeTps, 1_000 / tookMs);
    else if (prompts.length === parts.length && tokens >= LEAST_CHUNK) this.#prefillTps = smooth(this.#prefillTps, (1_000 * tokens) / tookMs);
  }

  async #take(parts: readonly Part[], { best, logits }: StepResult): Promise<void> {
    let output = 0;
    const vocabulary = logits === undefined ? 0 : logits.length / best.length;
    const ended = new Set<Sequence>();
    for (const { sequence, count } of parts) {
      sequence.worked += count;
      this.#pool.name(sequence.pages, sequence.tokens.length === sequence.worked ? sequence.tokens : sequence.tokens.slice(0, sequence.worked));
      if (sequence.worked < sequence.tokens.length) continue;
      const row = sequence.task.wantsLogits ? logits?.subarray(output * vocabulary, (output + 1) * vocabulary) : undefined;
      const chosen = sequence.task.choose(best[output] as number, row);
      output += 1;
      const token = chosen instanceof Promise ? await chosen : chosen;
      if (token !== undefined) sequence.tokens.push(token);
      const isFull = sequence.tokens.length >= sequence.task.prompt.length + sequence.task.maxTokens;
      if (token !== undefined && !isFull) continue;
      ended.add(sequence);
      this.#end(sequence, token === undefined ? 'done' : 'length');
    }
    if (ended.size > 0) this.#running = this.#running.filter((sequence) => !ended.has(sequence));
  }

  #end(sequence: Sequence, why: TaskEnd): void {
    this.#pool.release(sequence.pages);
    sequence.task.end(why);
  }

  #endAll(why: TaskEnd): void {
    const [running, waiting] = [this.#running.splice(0), this.#waiting.splice(0)];
    for (const sequence of running) this.#end(sequence, why);
    for (const { task, cancelled } of waiting) task.end(cancelled ? 'cancelled' : why);
  }
}

const isAnswering = ({ tokens, worked }: Sequence): boolean => tokens.length - worked === 1 && worked > 0;

interface Part {
  readonly sequence: Sequence;
  readonly count: number;
}

function stepOf(parts: readonly Part[]): Step {
  const total = parts.reduce((sum, { count }) => sum + count, 0);
  const tableWidth = Math.max(...parts.map(({ sequence, count }) => Math.ceil((sequence.worked + count) / PAGE_TOKENS)));
  const list = () => new Int32Array(total);
  const step = { tokens: list(), positions: list(), places: list(), rows: list(), tables: new Int32Array(parts.length * tableWidth) };
  const outputs: number[] = [];
  let at = 0;
  for (const [row, { sequence, count }] of parts.entries()) {
    const { pages } = sequence.pages;
    step.tables.set(pages.subarray(0, tableWidth), row * tableWidth);
    for (let i = 0; i < count; i += 1, at += 1) {
      const position = sequence.worked + i;
      step.tokens[at] = sequence.tokens[position] as number;
      step.positions[at] = position;
      step.places[at] = (pages[Math.floor(position / PAGE_TOKENS)] as number) * PAGE_TOKENS + (position % PAGE_TOKENS);
      step.rows[at] = row;
    }
    if (sequence.worked + count === sequence.tokens.length) outputs.push(at - 1);
  }
  const wantsLogits = parts.some(({ sequence, count }) => sequence.task.wantsLogits && sequence.worked + count === sequence.tokens.length);
  return { ...step, tableWidth, outputs: Int32Array.from(outputs), wantsLogits };
}
