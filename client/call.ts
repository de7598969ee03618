import { joined } from '#bus-schemas/platform.ts';
import { SealedError } from './sealed-error.ts';

/** Requests and answers as Node and browsers send them. */

export interface Call {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: { readonly type: string; readonly bytes: Uint8Array };
  readonly signal?: AbortSignal | undefined;
}

/** The parts of an answer that this client reads. Names of headers are in lower case. */
export interface AnswerParts extends AsyncIterable<Uint8Array> {
  readonly statusCode?: number | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** Returns the JSON of an answer; throws a SealedError if its status is not 200. */
export async function jsonOf(response: AnswerParts): Promise<Record<string, unknown>> {
  const answer = await readJson(response);
  if (response.statusCode !== 200) throw errorOf(response, answer);
  return answer;
}

const MAX_JSON_BYTES = 4 * 1024 * 1024;

export async function readJson(response: AnswerParts): Promise<Record<string, unknown>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response) {
    size += chunk.length;
    if (size > MAX_JSON_BYTES)
      throw new SealedError(
        'unreadable_answer',
        `The answer has more than ${MAX_JSON_BYTES} bytes.`,
      );
    chunks.push(chunk);
  }
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(joined(chunks)));
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch (cause) {
    throw new SealedError('unreadable_answer', 'The answer is not valid JSON.', { cause });
  }
  throw new SealedError('unreadable_answer', 'The answer is not a JSON object.');
}

export function errorOf(response: AnswerParts, answer: Record<string, unknown>): SealedError {
  const { code = 'internal_error', message = `The coordinator answered ${response.statusCode}.` } =
    (answer['error'] ?? {}) as {
      code?: string;
      message?: string;
    };
  const seconds = Number(response.headers['retry-after']);
  return new SealedError(
    {
      code,
      status: response.statusCode ?? 502,
      retryAfterMs: seconds > 0 ? seconds * 1_000 : undefined,
    },
    message,
  );
}
