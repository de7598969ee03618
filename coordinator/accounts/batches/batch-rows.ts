import type { BatchRecord } from '#bus-schemas';

/** A batch as the database returns it. */
export interface BatchRow {
  readonly account: string;
  readonly id: string;
  readonly status: BatchRecord['status'];
  readonly sealed: Buffer;
  readonly errors: Buffer | null;
  readonly keys: Buffer | null;
  readonly lines: number;
  readonly outputs: number;
  readonly failures: number;
  readonly has_output_file: boolean;
  readonly has_error_file: boolean;
  readonly created_at: Date;
  readonly expires_at: Date;
  readonly in_progress_at: Date | null;
  readonly finalizing_at: Date | null;
  readonly cancelling_at: Date | null;
  readonly ended_at: Date | null;
}

export function recordOf(row: BatchRow): BatchRecord {
  const { id, status, sealed, errors, keys, lines, outputs, failures } = row;
  return {
    id,
    status,
    sealed,
    ...(errors !== null && { errors }),
    lines,
    outputs,
    failures,
    hasOutputFile: row.has_output_file,
    hasErrorFile: row.has_error_file,
    createdAt: row.created_at.getTime(),
    expiresAt: row.expires_at.getTime(),
    ...(row.in_progress_at !== null && { inProgressAt: row.in_progress_at.getTime() }),
    ...(row.finalizing_at !== null && { finalizingAt: row.finalizing_at.getTime() }),
    ...(row.cancelling_at !== null && { cancellingAt: row.cancelling_at.getTime() }),
    ...(row.ended_at !== null && { endedAt: row.ended_at.getTime() }),
    waitsForKeys: row.ended_at === null && keys === null,
  };
}
