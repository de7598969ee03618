import { EncodingRequest, type WantedResults, wantedResults } from '#bus-schemas';
import { type EncodingIntent, encodingIntent } from '#http-api/core/encodings/encoding-intent.ts';
import type { EncodingSurface } from '#http-api/core/encodings/encoding-surface.ts';
import type { JsonObject } from '#http-api/core/json.ts';

/** A request for an encoding, without its texts. */
export interface ReadEncoding {
  readonly wish: Omit<EncodingIntent, 'task' | 'body'>;
  readonly results: WantedResults;
  /** The request as its provider reads it. */
  readonly encoded: Uint8Array<ArrayBuffer>;
}

/**
 * Everything that takes long for a large request for an encoding. It needs neither bus nor clock, so
 * that it can run in a thread. Throws an ApiError with the fault of the request.
 */
export function readEncoding(surface: EncodingSurface, body: JsonObject): ReadEncoding {
  const { task, body: _body, ...wish } = encodingIntent(surface, body);
  return {
    wish,
    results: wantedResults(task),
    encoded: EncodingRequest.encode({ task }) as Uint8Array<ArrayBuffer>,
  };
}
