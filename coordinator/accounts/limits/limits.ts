import { join } from 'node:path';
import type { Pool } from 'pg';
import type { Take, Taken } from '#bus-schemas';
import { loadStatements, query } from '#coordinator/sql.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), ['delete-old', 'take']);

interface Row {
  readonly take: number;
  readonly passed: boolean;
  readonly requests: string | null;
  readonly inputTokens: string | null;
  readonly outputTokens: string | null;
  readonly resetMs: string;
}

/**
 * Limits of requests and tokens in any 60 s, shared by all ingresses. Postgres counts; one
 * statement serves all requests of a batch.
 */
export class Limits {
  readonly #database: Pool;

  constructor(database: Pool) {
    this.#database = database;
  }

  async take(takes: readonly Take[]): Promise<Taken[]> {
    const subjects = [
      ...new Map(
        takes.flatMap((take) => take.subjects).map((subject) => [subject.subject, subject]),
      ).values(),
    ];
    const numbers = new Map(subjects.map(({ subject }, index) => [subject, index + 1]));
    const wanted = takes.flatMap(({ inputTokens, outputTokens, ...take }, index) =>
      take.subjects.map(({ subject }) => ({ index, subject, inputTokens, outputTokens })),
    );
    const rows = await query<Row>(this.#database, sql.take, [
      subjects.map(({ subject }) => subject),
      subjects.map(({ limits }) => limits.requests ?? null),
      subjects.map(({ limits }) => limits.inputTokens ?? null),
      subjects.map(({ limits }) => limits.outputTokens ?? null),
      wanted.map(({ index }) => index),
      wanted.map(({ subject }) => numbers.get(subject)),
      wanted.map(({ inputTokens }) => inputTokens),
      wanted.map(({ outputTokens }) => outputTokens),
    ]);
    const byTake = Map.groupBy(rows, ({ take }) => take);
    return takes.map((_, take) => resultOf(byTake.get(take) ?? []));
  }

  async deleteOld(): Promise<void> {
    await query(this.#database, sql['delete-old']);
  }
}

function resultOf(rows: readonly Row[]): Taken {
  const room = (limit: 'requests' | 'inputTokens' | 'outputTokens') => {
    const row = rows.find((candidate) => candidate[limit] !== null);
    return row === undefined
      ? {}
      : { [limit]: { remaining: Number(row[limit]), resetMs: Number(row.resetMs) } };
  };
  return {
    ok: rows.every(({ passed }) => passed),
    ...room('requests'),
    ...room('inputTokens'),
    ...room('outputTokens'),
    retryAfterMs: Math.max(0, ...rows.map(({ resetMs }) => Number(resetMs))),
  };
}
