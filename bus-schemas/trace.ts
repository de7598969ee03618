import { checkerOf } from '#bus-schemas/platform.ts';
import { AccountId, ModelName } from './ids.ts';
import { type Static, Type } from './type.ts';

const tokens = Type.Integer({ minimum: 0, maximum: 10_000_000 });

/** One request of a trace. A trace file has one request on each line, as JSON. */
const arrival = Type.Object({
  /** Time of the request since the beginning of the trace, in milliseconds. */
  at: Type.Number({ minimum: 0 }),
  account: AccountId,
  model: ModelName,
  promptTokens: tokens,
  maxTokens: tokens,
  /** Number of tokens that the model would generate. */
  outputTokens: tokens,
});
const checked = checkerOf(arrival);
export type Arrival = Readonly<Static<typeof arrival>>;

export function parseArrival(line: string): Arrival | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return checked.Check(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
