import type { Pool } from 'pg';
import { MAX_BATCH_LINES, type ServiceMethod, type services } from '#bus-schemas';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import { MAX_BYTES, storedUsage } from '../stored/stored-usage.ts';
import { type BatchRow, recordOf } from './batch-rows.ts';

/** Most bytes of the results in one reply, which must fit into one message of the bus. */
const PAGE_BYTES = 400 * 1_024;

/**
 * Takes a free batch of one of the accounts that have the fewest running ones, so that one account
 * cannot keep the others waiting. Batches that never ran come first, then those that were given back
 * first.
 */
const CLAIM = namedStatement<BatchRow>('batches.claim')`
  UPDATE batches b SET runner = ${'runner'}, leased_until = ${'until'}
  FROM (
    SELECT account, id FROM batches free
    WHERE ended_at IS NULL AND keys IS NOT NULL
      AND (leased_until IS NULL OR leased_until < ${'now'})
    ORDER BY (SELECT count(*) FROM batches other
      WHERE other.account = free.account AND other.ended_at IS NULL
        AND other.leased_until >= ${'now'}), leased_until NULLS FIRST, created_at
    LIMIT 1 FOR UPDATE SKIP LOCKED
  ) free
  WHERE b.account = free.account AND b.id = free.id
  RETURNING b.*`;
const DONE = namedStatement<{ line: number }>('batches.done')`
  SELECT line FROM batch_lines WHERE account = ${'account'} AND batch = ${'id'}`;
const RENEW = namedStatement<{ status: BatchRow['status'] }>('batches.renew')`
  UPDATE batches SET
    leased_until = ${'until'},
    lines = coalesce(${'lines'}::int, lines),
    status = CASE
      WHEN status = 'validating' AND ${'lines'}::int IS NOT NULL THEN 'in_progress'
      WHEN status = 'in_progress' AND ${'isFinalizing'} THEN 'finalizing'
      ELSE status END,
    in_progress_at = coalesce(in_progress_at,
      CASE WHEN ${'lines'}::int IS NOT NULL THEN ${'now'}::timestamptz END),
    finalizing_at = coalesce(finalizing_at,
      CASE WHEN ${'isFinalizing'} THEN ${'now'}::timestamptz END)
  WHERE account = ${'account'} AND id = ${'id'} AND runner = ${'runner'} AND ended_at IS NULL
    AND leased_until >= ${'now'}
  RETURNING status`;
const RELEASE = namedStatement('batches.release')`
  UPDATE batches SET leased_until = ${'now'}::timestamptz - interval '1 millisecond',
    keys = CASE WHEN ${'hasUnreadableKeys'} THEN NULL ELSE keys END
  WHERE account = ${'account'} AND id = ${'id'} AND runner = ${'runner'} AND ended_at IS NULL
    AND leased_until >= ${'now'}`;
const PUT_LINE = namedStatement<{ line: number }>('batches.put-line')`
  WITH leased AS (
    SELECT account, id FROM batches
    WHERE account = ${'account'} AND id = ${'id'} AND runner = ${'runner'} AND ended_at IS NULL
      AND leased_until >= ${'now'} AND ${'line'} < lines
    FOR UPDATE
  ), added AS (
    INSERT INTO batch_lines (account, batch, line, job, outcome, sealed)
    SELECT account, id, ${'line'}, ${'job'}, ${'outcome'}, ${'sealed'} FROM leased
    ON CONFLICT DO NOTHING
    RETURNING line, outcome, octet_length(sealed) AS bytes
  ), counted AS (
    UPDATE batches SET
      outputs = outputs + (outcome = 'output')::int,
      failures = failures + (outcome = 'error')::int,
      result_bytes = result_bytes + bytes
    FROM added WHERE account = ${'account'} AND id = ${'id'}
  )
  SELECT line FROM added`;
/** A statement of its own, so that a repeated call sees the line of the call that it waited for. */
const HAS_LINE = namedStatement('batches.has-line')`
  SELECT FROM batch_lines
  WHERE account = ${'account'} AND batch = ${'id'} AND line = ${'line'} AND job = ${'job'}`;
const READ_LINES = namedStatement<{ line: number; sealed: Buffer; has_more: boolean }>(
  'batches.read-lines',
)`
  SELECT line, sealed, has_more FROM (
    SELECT line, sealed, octet_length(sealed) AS own,
      sum(octet_length(sealed)) OVER (ORDER BY line) AS bytes,
      lead(line) OVER (ORDER BY line) IS NOT NULL AS has_more
    FROM batch_lines
    WHERE account = ${'account'} AND batch = ${'id'} AND outcome = ${'outcome'}
      AND line >= ${'from'}
  ) page
  WHERE bytes <= ${'most'} OR bytes = own
  ORDER BY line`;
const HAS_LEASE = namedStatement('batches.has-lease')`
  SELECT FROM batches
  WHERE account = ${'account'} AND id = ${'id'} AND runner = ${'runner'} AND ended_at IS NULL
    AND leased_until >= ${'now'}`;
/** A repeated call finds the batch that the first one ended. */
const END = namedStatement<{ id: string }>('batches.end')`
  WITH ended AS (
    UPDATE batches SET status = ${'status'}, errors = ${'errors'}, keys = NULL,
      leased_until = NULL, ended_at = ${'now'}, result_bytes = 0,
      has_output_file = ${'hasOutputFile'}, has_error_file = ${'hasErrorFile'}
    WHERE account = ${'account'} AND id = ${'id'} AND runner = ${'runner'} AND ended_at IS NULL
      AND leased_until >= ${'now'}
    RETURNING account, id
  ), deleted AS (
    DELETE FROM batch_lines USING ended
    WHERE batch_lines.account = ended.account AND batch_lines.batch = ended.id
  )
  SELECT id FROM ended UNION ALL
  SELECT id FROM batches
  WHERE account = ${'account'} AND id = ${'id'} AND runner = ${'runner'} AND ended_at IS NOT NULL
    AND status = ${'status'}`;

type RequestOf<Method> = Method extends ServiceMethod<infer Request, unknown> ? Request : never;
type Accounts = typeof services.accounts;
type LeaseName = Pick<RequestOf<Accounts['putBatchLine']>, 'account' | 'id' | 'runner'>;

const lost = { ok: false as const, code: 'lost' as const };
const stillLeased = (isLeased: boolean) => (isLeased ? { ok: true as const } : lost);

/**
 * Batches as the ingresses run them. Each statement checks the lease: an ingress that was away for
 * longer than its lease stores nothing any more, so that no line has two results.
 */
export class BatchRuns {
  readonly #database: Pool;
  readonly #time: () => number;

  constructor({ database, now }: { database: Pool; now: () => number }) {
    this.#database = database;
    this.#time = now;
  }

  async claim({ runner, leaseMs }: RequestOf<Accounts['claimBatch']>) {
    const until = this.#in(leaseMs);
    const [row] = await queryNamed(this.#database, CLAIM, { runner, until, now: this.#now() });
    if (row === undefined || row.keys === null)
      return { ok: false as const, code: 'none' as const };
    const { account, id, keys } = row;
    const done = await queryNamed(this.#database, DONE, { account, id });
    return {
      ok: true as const,
      account,
      batch: recordOf(row),
      keys,
      done: bitsOf(done.map(({ line }) => line)),
    };
  }

  async renew(renewed: RequestOf<Accounts['renewBatch']>) {
    const { account, lines = null, isFinalizing = false, leaseMs } = renewed;
    const now = this.#now();
    const [row] = await queryNamed(this.#database, RENEW, {
      ...named(renewed),
      until: this.#in(leaseMs),
      lines,
      isFinalizing,
      now,
    });
    if (row === undefined) return lost;
    const { bytes } = await storedUsage(this.#database, { account, now });
    return { ok: true as const, status: row.status, roomBytes: Math.max(0, MAX_BYTES - bytes) };
  }

  async release(released: RequestOf<Accounts['releaseBatch']>): Promise<void> {
    const { hasUnreadableKeys } = released;
    const values = { ...named(released), hasUnreadableKeys, now: this.#now() };
    await queryNamed(this.#database, RELEASE, values);
  }

  async putLine(put: RequestOf<Accounts['putBatchLine']>) {
    const { account, id, line, job, outcome, sealed } = put;
    const added = await queryNamed(this.#database, PUT_LINE, {
      ...named(put),
      line,
      job,
      outcome,
      sealed: Buffer.from(sealed),
      now: this.#now(),
    });
    const stored =
      added.length > 0
        ? added
        : await queryNamed(this.#database, HAS_LINE, { account, id, line, job });
    return stillLeased(stored.length > 0);
  }

  async readLines(asked: RequestOf<Accounts['readBatchLines']>) {
    const { account, id, outcome, from } = asked;
    const lease = { ...named(asked), now: this.#now() };
    if ((await queryNamed(this.#database, HAS_LEASE, lease)).length === 0) return lost;
    const values = { account, id, outcome, from, most: PAGE_BYTES };
    const rows = await queryNamed(this.#database, READ_LINES, values);
    return {
      ok: true as const,
      lines: rows.map(({ line, sealed }) => ({ line, sealed })),
      hasMore: rows.at(-1)?.has_more === true,
    };
  }

  async end(ended: RequestOf<Accounts['endBatch']>) {
    const { status, errors, hasOutputFile, hasErrorFile } = ended;
    const rows = await queryNamed(this.#database, END, {
      ...named(ended),
      status,
      errors: errors === undefined ? null : Buffer.from(errors),
      hasOutputFile,
      hasErrorFile,
      now: this.#now(),
    });
    return stillLeased(rows.length > 0);
  }

  #now(): Date {
    return new Date(this.#time());
  }

  #in(ms: number): Date {
    return new Date(this.#time() + ms);
  }
}

const named = ({ account, id, runner }: LeaseName): LeaseName => ({ account, id, runner });

/** One bit for each line, the lowest bit first. */
function bitsOf(lines: readonly number[]): Uint8Array {
  const bits = new Uint8Array(Math.ceil(MAX_BATCH_LINES / 8));
  for (const line of lines) bits[line >> 3] = (bits[line >> 3] ?? 0) | (1 << (line & 7));
  return bits;
}
