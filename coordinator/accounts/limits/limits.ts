import type { Pool } from 'pg';
import {
  definedByName,
  RATE_LIMIT_NAMES,
  type RateLimitName,
  type RateLimits,
  type Take,
  type Taken,
} from '#bus-schemas';
import { query, type Statement } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';

const TAKE: Statement = {
  name: 'limits.take',
  text: `SELECT passed, requests_left AS "requests", input_left AS "input", output_left AS "output", reset_ms AS "resetMs"
FROM take_limits($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::int[], $6::int[], $7::bigint[], $8::bigint[])
  WITH ORDINALITY AS t (take, passed, requests_left, input_left, output_left, reset_ms, number)
ORDER BY number`,
};
const DELETE_OLD = namedStatement('limits.delete-old')`
  DELETE FROM rate_slots WHERE slot < (extract(epoch FROM now()) * 1000)::bigint / 5000 - 12`;

/**
 * The limits that one row of `rate_slots` counts, by column: the number of requests and two amounts.
 * A limit beyond these three needs another set, whose rows have `suffix` after the subject.
 */
const SETS: readonly CounterSet[] = [
  { suffix: '', requests: 'requests', input: 'inputTokens', output: 'outputTokens' },
];
interface CounterSet {
  readonly suffix: string;
  readonly requests?: RateLimitName;
  readonly input?: RateLimitName;
  readonly output?: RateLimitName;
}
const COLUMNS = ['requests', 'input', 'output'] as const;

/** The amounts of one request for one set of counters of a subject, one of which has a limit. */
interface Wanted {
  readonly take: number;
  readonly set: CounterSet;
  readonly counter: string;
  readonly limits: RateLimits;
  readonly amounts: Omit<Take, 'subjects'>;
}

type Counted = { readonly passed: boolean; readonly resetMs: string } & Readonly<
  Record<(typeof COLUMNS)[number], string | null>
>;

/**
 * Counts the amounts of requests against their limits (`RATE_LIMITS`), for all ingresses. Postgres
 * counts; one statement serves all requests of a batch.
 */
export class Limits {
  readonly #database: Pool;

  constructor(database: Pool) {
    this.#database = database;
  }

  async take(takes: readonly Take[]): Promise<Taken[]> {
    const wanted = takes.flatMap(wantedBy);
    const counters = [...new Map(wanted.map((want) => [want.counter, want])).values()];
    const numbers = new Map(counters.map(({ counter }, index) => [counter, index + 1]));
    const limitsIn = (column: (typeof COLUMNS)[number]) =>
      counters.map(({ set, limits }) => valueIn(set[column], limits) ?? null);
    const amountsIn = (column: (typeof COLUMNS)[number]) =>
      wanted.map(({ set, amounts }) => valueIn(set[column], amounts) ?? 0);
    const rows = await query<Counted>(this.#database, TAKE, [
      counters.map(({ counter }) => counter),
      ...COLUMNS.map(limitsIn),
      wanted.map(({ take }) => take),
      wanted.map(({ counter }) => numbers.get(counter)),
      amountsIn('input'),
      amountsIn('output'),
    ]);
    const counted = wanted.map((want, index) => ({ ...want, ...(rows[index] as Counted) }));
    const byTake = Map.groupBy(counted, ({ take }) => take);
    return takes.map((_, take) => resultOf(byTake.get(take) ?? []));
  }

  async deleteOld(): Promise<void> {
    await queryNamed(this.#database, DELETE_OLD, {});
  }
}

const valueIn = (name: RateLimitName | undefined, values: RateLimits) =>
  name === undefined ? undefined : values[name];

function wantedBy({ subjects, ...amounts }: Take, take: number): Wanted[] {
  return subjects.flatMap(({ subject, limits }) =>
    SETS.filter((set) => COLUMNS.some((column) => valueIn(set[column], limits) !== undefined)).map(
      (set) => ({ take, set, counter: subject + set.suffix, limits, amounts }),
    ),
  );
}

function resultOf(rows: readonly (Wanted & Counted)[]): Taken {
  const leftOf = (name: RateLimitName, row: Wanted & Counted) => {
    const column = COLUMNS.find((candidate) => row.set[candidate] === name);
    return column === undefined ? null : row[column];
  };
  return {
    ok: rows.every(({ passed }) => passed),
    ...definedByName(RATE_LIMIT_NAMES, (name) => {
      const row = rows.find((candidate) => leftOf(name, candidate) !== null);
      return row && { remaining: Number(leftOf(name, row)), resetMs: Number(row.resetMs) };
    }),
    retryAfterMs: Math.max(0, ...rows.map(({ resetMs }) => Number(resetMs))),
  };
}
