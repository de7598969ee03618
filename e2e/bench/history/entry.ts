import { Value } from 'typebox/value';
import { type Static, Type } from '#bus-schemas/type.ts';

/** One result of `npm run bench`, as docs/bench stores it. */

const spread = Type.Object(
  { median: Type.Number(), min: Type.Number(), max: Type.Number() },
  { additionalProperties: false },
);

const BenchRun = Type.Object(
  {
    /** The server that was measured: `direct`, `d-inference`, or the name of another gateway. */
    server: Type.String({ minLength: 1 }),
    stream: Type.Boolean(),
    concurrency: Type.Integer({ minimum: 1 }),
    tokens: Type.Integer({ minimum: 1 }),
    /** Requests of one round. */
    requests: Type.Integer({ minimum: 1 }),
    rounds: Type.Integer({ minimum: 1 }),
    failed: Type.Integer({ minimum: 0 }),
    /** User and system time of the server and all its child processes, in milliseconds. */
    processorMsPerRequest: spread,
    requestsPerSecond: spread,
    medianMs: spread,
    p99Ms: spread,
    firstByteMs: spread,
  },
  { additionalProperties: false },
);
export type BenchRun = Static<typeof BenchRun>;

const BenchEntry = Type.Object(
  {
    /** Time of the start in UTC, as ISO 8601. */
    at: Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$' }),
    commit: Type.String({ pattern: '^[0-9a-f]{40}$' }),
    /** True if files differed from the commit, apart from those in docs/bench. */
    hasOtherChanges: Type.Boolean(),
    machine: Type.Object({
      processor: Type.String({ minLength: 1 }),
      cores: Type.Integer({ minimum: 1 }),
      memoryGb: Type.Number({ exclusiveMinimum: 0 }),
      /**
       * Load average of the last 1 and 5 minutes before the start. A value near the number of cores
       * means that other programs used the machine, so the times are too high.
       */
      loadBefore: Type.Tuple([Type.Number({ minimum: 0 }), Type.Number({ minimum: 0 })]),
    }),
    versions: Type.Object({ dInference: Type.String(), node: Type.String() }),
    runs: Type.Array(BenchRun, { minItems: 1 }),
  },
  { additionalProperties: false },
);
export type BenchEntry = Static<typeof BenchEntry>;

/** Reads a stored entry. Throws if it does not have the form of one. */
export function parseEntry(text: string): BenchEntry {
  return Value.Parse(BenchEntry, JSON.parse(text));
}
