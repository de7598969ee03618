import { type BatchRecord, randomToken } from '#bus-schemas';
import type { JsonObject } from '#http-api/core/json.ts';
import { type ContentKeys, open, seal } from '../caller-cipher.ts';
import { storedPurpose } from '../stored/stored-contents.ts';
import { anthropicBatch, MESSAGES } from './anthropic-batch.ts';
import type { BatchDialect } from './batch-dialect.ts';
import type { BatchProblem } from './batch-input.ts';
import { openAiBatch } from './openai-batch.ts';

/** What the caller asked for, and the files of the batch. Stored under the key of the batch. */
export interface BatchRequest {
  readonly endpoint: string;
  readonly input: string;
  readonly output: string;
  readonly errors: string;
  /** Lifetime of the files with the results, in milliseconds. */
  readonly resultsMs: number;
  readonly metadata: JsonObject | null;
  /** Number of requests, if it was known when the batch was created. */
  readonly requests?: number;
}

export interface OpenedBatch {
  readonly record: BatchRecord;
  readonly request: BatchRequest;
  readonly problems: readonly BatchProblem[];
}

/** How the batches of an API are named and listed. */
export interface BatchKind {
  readonly idPrefix: 'batch' | 'msgbatch';
  readonly listedAs: string;
}

export const newBatchId = ({ idPrefix }: BatchKind): string => `${idPrefix}_${randomToken(24)}`;

export const dialectOf = ({ endpoint }: BatchRequest): BatchDialect =>
  endpoint === MESSAGES ? anthropicBatch : openAiBatch(endpoint);

/**
 * Seals parts of one batch. All have the key of the batch and are bound to their place in it, so
 * that the result of one line cannot stand in for that of another.
 */
export class BatchCipher {
  readonly #key: Buffer;

  constructor(keys: ContentKeys, batch: string) {
    this.#key = keys.keyOf(storedPurpose(batch));
  }

  sealRequest(request: BatchRequest): Buffer {
    return seal(this.#key, JSON.stringify(request), 'request');
  }

  sealProblems(problems: readonly BatchProblem[]): Buffer {
    return seal(this.#key, JSON.stringify(problems), 'problems');
  }

  sealResult(line: number, result: object): Buffer {
    return seal(this.#key, JSON.stringify(result), `line ${line}`);
  }

  openResult(line: number, sealed: Uint8Array): Buffer {
    return open(this.#key, Buffer.from(sealed), `line ${line}`);
  }

  /** Throws if the batch belongs to another API key. */
  open(record: BatchRecord): OpenedBatch {
    const { sealed, errors } = record;
    const read = (bytes: Uint8Array, place: string) =>
      JSON.parse(open(this.#key, Buffer.from(bytes), place).toString());
    return {
      record,
      request: read(sealed, 'request'),
      problems: errors === undefined ? [] : read(errors, 'problems'),
    };
  }

  /** A secret from which the scope of cached prompts is derived: lines share their beginnings. */
  get scopeSecret(): string {
    return this.#key.toString('base64');
  }
}
