import { join } from 'node:path';
import type { Pool } from 'pg';
import type { Take, Taken } from '#bus-schemas';
import { loadStatements, query } from '#coordinator/sql.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), ['forget', 'take']);

interface Row {
  readonly take: number;
  readonly passed: boolean;
  readonly requests: string | null;
  readonly inputTokens: string | null;
  readonly outputTokens: string | null;
  readonly resetMs: string;
}

/** Limits by the minute, the same for all ingresses: Postgres counts, in one statement for all that asked at once. */
export class Limits {
  readonly #database: Pool;

  constructor(database: Pool) {
    this.#database = database;
  }

  async take(takes: readonly Take[]): Promise<Taken[]> {
    const wanted = takes.flatMap(({ inputTokens, outputTokens, subjects }, take) =>
      subjects.map((subject) => ({ take, inputTokens, outputTokens, ...subject })),
    );
    const rows = await query<Row>(this.#database, sql.take, [
      wanted.map(({ take }) => take),
      wanted.map(({ subject }) => subject),
      wanted.map(({ limits }) => limits.requests ?? null),
      wanted.map(({ limits }) => limits.inputTokens ?? null),
      wanted.map(({ limits }) => limits.outputTokens ?? null),
      wanted.map(({ inputTokens }) => inputTokens),
      wanted.map(({ outputTokens }) => outputTokens),
    ]);
    return takes.map((_, take) => resultOf(rows.filter((row) => row.take === take)));
  }

  async forgetOld(): Promise<void> {
    await query(this.#database, sql.forget);
  }
}

function resultOf(rows: readonly Row[]): Taken {
  const room = (limit: 'requests' | 'inputTokens' | 'outputTokens') => {
    const row = rows.find((candidate) => candidate[limit] !== null);
    return row === undefined ? {} : { [limit]: { remaining: Number(row[limit]), resetMs: Number(row.resetMs) } };
  };
  return {
    ok: rows.every(({ passed }) => passed),
    ...room('requests'),
    ...room('inputTokens'),
    ...room('outputTokens'),
    retryAfterMs: Math.max(0, ...rows.map(({ resetMs }) => Number(resetMs))),
  };
}
