import { type Static, Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { AccountId, ModelName } from './ids.ts';

const tokens = Type.Integer({ minimum: 0, maximum: 10_000_000 });

/**
 * One request, as a trace has it, one line of JSON each: when it came, of whom, what for, and how
 * long it was and what was answered.
 */
const arrival = Type.Object({
  /** Milliseconds from the beginning. */
  at: Type.Number({ minimum: 0 }),
  account: AccountId,
  model: ModelName,
  promptTokens: tokens,
  maxTokens: tokens,
  /** What the model would say. */
  outputTokens: tokens,
});
const checked = Compile(arrival);
export type Arrival = Readonly<Static<typeof arrival>>;

export function parseArrival(line: string): Arrival | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return checked.Check(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
