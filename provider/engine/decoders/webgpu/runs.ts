import type { Advance, Step } from '../decoder.ts';
import { RUN_TOKENS } from './kernels/attention.ts';

/**
 * A sequence with fewer tokens than this in a step is processed token by token, not in runs.
 */
const SHORT = 4;

/**
 * Divides a step into tokens processed alone, as pairs (token, row), and runs of one sequence's
 * tokens, as triples (first token, number of tokens, row).
 */
export function divide({ rows }: Step): { decodeRows: number[]; prefillRuns: number[] } {
  const decodeRows: number[] = [];
  const prefillRuns: number[] = [];
  for (let first = 0; first < rows.length; ) {
    const row = rows[first] as number;
    let end = first + 1;
    while (end < rows.length && rows[end] === row) end += 1;
    if (end - first < SHORT) for (; first < end; first += 1) decodeRows.push(first, row);
    for (; first < end; first += RUN_TOKENS)
      prefillRuns.push(first, Math.min(RUN_TOKENS, end - first), row);
    first = end;
  }
  return { decodeRows, prefillRuns };
}

export interface StateRuns {
  readonly stateRuns: readonly number[];
  readonly runOf: readonly number[];
}

/** For a model without states. */
export const NO_RUNS: StateRuns = { stateRuns: [], runOf: [] };

/**
 * The runs of a step's sequences, as the kernels of Gated DeltaNet read them: first token, number of
 * tokens, slot that is read plus one, slot that is written. `runOf` has the run of each token.
 */
export function runsOf({ rows, states }: Step): StateRuns {
  const stateRuns: number[] = [];
  const runOf: number[] = [];
  for (const [token, row] of rows.entries()) {
    if (row !== rows[token - 1])
      stateRuns.push(token, 0, (states[2 * row] as number) + 1, states[2 * row + 1] as number);
    const count = stateRuns.length - 3;
    stateRuns[count] = (stateRuns[count] as number) + 1;
    runOf.push(stateRuns.length / 4 - 1);
  }
  return { stateRuns, runOf };
}

/**
 * The runs of states that are moved on. The tokens between them have a last run, which is not counted
 * and changes no state.
 */
export function advanceRuns({ slots, firsts, counts }: Advance): StateRuns & { tokens: number } {
  const runs = [...slots].map((slot, i) => ({
    first: firsts[i] as number,
    count: counts[i] as number,
    slot,
  }));
  const tokens = Math.max(0, ...runs.map(({ first, count }) => first + count));
  const runOf = Array<number>(tokens).fill(runs.length);
  for (const [run, { first, count }] of runs.entries()) runOf.fill(run, first, first + count);
  return {
    tokens,
    stateRuns: [
      ...runs.flatMap(({ first, count, slot }) => [first, count, slot + 1, slot]),
      ...[0, tokens, 0, 0],
    ],
    runOf,
  };
}
