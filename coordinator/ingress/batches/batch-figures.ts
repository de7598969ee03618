import type { Registry } from 'prom-client';
import type { BATCH_ENDS } from '#bus-schemas';
import type { ApiErrorCode } from '#http-api/errors.ts';
import { counter } from '#observability';
import type { LineOutcome } from './batch-lease.ts';

/** Counts what this ingress does for batches. */
export interface BatchFigures {
  /** The result of a line was stored. */
  lineStored(outcome: LineOutcome): void;
  /** A line will be tried again, because of this error. */
  lineDelayed(code: ApiErrorCode): void;
  ended(status: (typeof BATCH_ENDS)[number]): void;
}

export function batchFigures(registry: Registry): BatchFigures {
  const lines = counter(registry, 'dinf_batch_lines_total');
  const delays = counter(registry, 'dinf_batch_line_delays_total');
  const ends = counter(registry, 'dinf_batches_ended_total');
  return {
    lineStored: (outcome) => lines.inc({ outcome }),
    lineDelayed: (code) => delays.inc({ code }),
    ended: (outcome) => ends.inc({ outcome }),
  };
}
