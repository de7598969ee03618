import type { JsonObject } from '#http-api/core/json.ts';
import type { Surface } from '#http-api/core/surfaces/surface.ts';
import type { ApiError } from '#http-api/errors.ts';

/** The request in one line of a batch. */
export interface LineRequest {
  /** The name that the caller gave it, which is unique in its batch. */
  readonly customId: string;
  readonly surface: Surface;
  readonly body: JsonObject;
}

/** Why a line was never run. */
export type Unrun = 'batch_cancelled' | 'batch_expired' | 'storage_full' | 'invalid_api_key';

/** Identifies one result: the line by its place in the batch, and the job that answered it. */
interface ResultIds {
  readonly batch: string;
  readonly line: number;
  readonly job: string;
}

/** How an API writes the requests and the results of a batch, one JSON object in each line. */
export interface BatchDialect {
  /** Whether its files are among those that the caller can list. */
  readonly listsFiles: boolean;
  /** Throws an ApiError for a line that is no request. */
  requestIn(line: JsonObject): LineRequest;
  answered(request: LineRequest, answer: object, ids: ResultIds): object;
  failed(request: LineRequest, error: ApiError, ids: ResultIds): object;
  unrun(request: LineRequest, reason: Unrun, ids: Omit<ResultIds, 'job'>): object;
}

/** The sentences for lines that were not run. */
export const unrunTexts: Readonly<Record<Unrun, string>> = {
  batch_cancelled: 'The batch was cancelled before this request was run. It costs nothing.',
  batch_expired:
    'This request could not be run before the completion window expired. It costs nothing.',
  storage_full:
    'The account stores as much as it may, so this request was not run. Delete files, and send it again.',
  invalid_api_key:
    'The API key of the batch was revoked or replaced, or its account was suspended, before this request was run.',
};
