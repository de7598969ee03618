import { isLoopback } from '#bus-schemas';
import { CodedError } from '#bus-schemas/coded-error.ts';
import { messageOf } from '#bus-schemas/message-of.ts';

const TIMEOUT_MS = 15_000;

/** The coordinator did not answer, or refused a request of this machine. */
export class CoordinatorError extends CodedError<'no_answer' | 'refused'> {
  /** HTTP status of the answer; undefined if there was none. */
  readonly status: number | undefined;

  constructor(status: number | undefined, message: string, options?: ErrorOptions) {
    super(status === undefined ? 'no_answer' : 'refused', message, options);
    this.status = status;
  }
}

/**
 * Sends a request of this machine to the coordinator and returns the JSON of its answer. Without
 * `body` the request is a GET.
 */
export async function callCoordinator<Answer>(
  coordinatorUrl: string,
  path: string,
  body?: object,
): Promise<Answer> {
  let response: Response;
  try {
    response = await fetch(new URL(path, coordinatorUrl), {
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body && {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    });
  } catch (cause) {
    throw new CoordinatorError(
      undefined,
      `The coordinator at ${coordinatorUrl} cannot be reached: ${causeOf(cause)}.`,
      { cause },
    );
  }
  const answer = (await response.json().catch(() => ({}))) as Answer & {
    error?: { message?: string };
  };
  if (response.ok) return answer;
  throw new CoordinatorError(
    response.status,
    answer.error?.message ?? `The coordinator answered with status ${response.status}.`,
  );
}

/** Whether an attacker on the path could read or change what this machine sends to the address. */
export function isReadableOnTheWay(coordinatorUrl: string): boolean {
  const { protocol, hostname } = new URL(coordinatorUrl);
  return protocol !== 'https:' && !isLoopback(hostname);
}

/** The cause of a failed fetch, for example a certificate of an unknown authority. */
const causeOf = (error: unknown): string =>
  messageOf(error instanceof Error && error.cause !== undefined ? error.cause : error);
