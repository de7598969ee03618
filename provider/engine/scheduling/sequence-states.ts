import { type Advance, NO_STATE, PAGE_TOKENS } from '../decoders/decoder.ts';
import type { StepPart } from '../decoders/step.ts';
import type { PagePool, SequencePages } from './page-pool.ts';
import type { ScheduledSequence } from './scheduled-sequence.ts';
import type { StatePool } from './state-pool.ts';
import type { TakenPart } from './step-parts.ts';

/** The state slots of running sequences. A model without states has no slots, and nothing is done. */
export class SequenceStates {
  readonly #states: StatePool | undefined;
  readonly #pool: PagePool;

  constructor(states: StatePool | undefined, pool: PagePool) {
    this.#states = states;
    this.#pool = pool;
  }

  /** True if the model has states. */
  get areUsed(): boolean {
    return this.#states !== undefined;
  }

  /** Number of slots below which all used ones are. */
  get used(): number {
    return this.#states?.used ?? 0;
  }

  /** Gives the sequence a slot, beside the stored state that it continues. Returns false if none is free. */
  admit(sequence: ScheduledSequence, pages: SequencePages): boolean {
    sequence.continued = pages.state;
    if (this.#states === undefined) return true;
    sequence.state = this.#states.take();
    sequence.marks = marksOf(sequence.task.prompt, pages);
    if (sequence.state !== undefined) return true;
    this.release(sequence);
    return false;
  }

  /**
   * A second slot for a step with drafts: a state cannot be taken back by some tokens, so the own slot
   * keeps the state before the step. Returns false if none is free.
   */
  takeSpare(): number | undefined | false {
    return this.#states === undefined ? undefined : (this.#states.take() ?? false);
  }

  /** The sequence keeps the spare slot and frees its own, or the other way round. */
  settleSpare(sequence: ScheduledSequence, spare: number, isKept: boolean): void {
    const freed = isKept ? sequence.state : spare;
    if (isKept) sequence.state = spare;
    if (freed !== undefined) this.#states?.release(freed);
  }

  /**
   * Stores the state after a step that ends at a mark. The sequence then reads the stored state in
   * its next step, and writes to another slot.
   */
  store(sequence: ScheduledSequence): void {
    if (this.#states === undefined) return;
    if (sequence.continued !== undefined) this.#states.letGo(sequence.continued);
    sequence.continued = undefined;
    const { pages, state, marks, worked } = sequence;
    if (pages === undefined || state === undefined || !marks.includes(worked)) return;
    const fresh = this.#states.take();
    if (fresh === undefined) return;
    if (!this.#pool.store(pages, state)) return this.#states.release(fresh);
    sequence.continued = state;
    sequence.state = fresh;
  }

  release(sequence: ScheduledSequence): void {
    if (sequence.continued !== undefined) this.#states?.letGo(sequence.continued);
    if (sequence.state !== undefined) this.#states?.release(sequence.state);
    sequence.continued = undefined;
    sequence.state = undefined;
  }
}

/**
 * The places of a prompt after which its state is stored: its last full page, from which the same
 * conversation continues, and the last page that an earlier prompt began with too.
 */
function marksOf(prompt: readonly number[], { known }: SequencePages): number[] {
  const last = Math.floor((prompt.length - 1) / PAGE_TOKENS);
  return [Math.min(known, last) * PAGE_TOKENS, last * PAGE_TOKENS];
}

/**
 * How the states of sequences with rejected drafts move on: by the tokens before those, from the state
 * before the step. Undefined if there are none.
 */
export function advanceOf(taken: readonly TakenPart[]): Advance | undefined {
  const advanced: { slot: number; first: number; count: number }[] = [];
  let first = 0;
  for (const { part, accepted, end } of taken) {
    const { sequence, tokens, drafted, spareState } = part;
    const rejected = drafted.length - accepted;
    if (spareState !== undefined && rejected > 0 && end === undefined)
      advanced.push({ slot: sequence.state as number, first, count: tokens.length - rejected });
    first += tokens.length;
  }
  if (advanced.length === 0) return undefined;
  return {
    slots: Int32Array.from(advanced, ({ slot }) => slot),
    firsts: Int32Array.from(advanced, (each) => each.first),
    counts: Int32Array.from(advanced, ({ count }) => count),
  };
}

/** The slots that a step reads and writes for the sequence. */
export function stateOf(
  { state, continued, worked }: ScheduledSequence,
  spare: number | undefined,
): Pick<StepPart, 'state'> {
  if (state === undefined) return {};
  return { state: { read: continued ?? (worked === 0 ? NO_STATE : state), write: spare ?? state } };
}
