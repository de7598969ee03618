import type { Logger } from 'pino';
import { type RateLimits, services, type Take, type Taken } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { answerOf } from '../call-until.ts';
import { ApiError } from '../errors.ts';

const MAX_TAKES = 256;

interface Waiting {
  readonly take: Take;
  readonly resolve: (taken: Taken) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Asks what the limits leave, for all requests that came while the last question was under way at
 * once. Nothing is counted here:
 * ingresses share one count, so a limit is the same limit however many there are.
 */
export class LimitTaker {
  readonly #bus: Bus;
  readonly #log: Logger;
  #waiting: Waiting[] = [];
  #asking = false;

  constructor(bus: Bus, log: Logger) {
    this.#bus = bus;
    this.#log = log;
  }

  take(take: Take): Promise<Taken> {
    const { promise, resolve, reject } = Promise.withResolvers<Taken>();
    this.#waiting.push({ take, resolve, reject });
    if (!this.#asking) void this.#askAll();
    return promise;
  }

  async #askAll(): Promise<void> {
    this.#asking = true;
    while (this.#waiting.length > 0) await this.#ask(this.#waiting.splice(0, MAX_TAKES));
    this.#asking = false;
  }

  async #ask(batch: readonly Waiting[]): Promise<void> {
    try {
      // Asked once: an answer that was lost may have counted already, and counting twice is worse
      // than asking the client to come again.
      const answer = await answerOf(
        this.#bus,
        services.accounts.take,
        { takes: batch.map(({ take }) => take) },
        { eachMs: 2_000, totalMs: 2_000 },
      );
      for (const [index, { resolve, reject }] of batch.entries()) {
        const taken = answer.results[index];
        if (taken === undefined) reject(new ApiError('service_unavailable'));
        else resolve(taken);
      }
    } catch (error) {
      if (!(error instanceof ApiError))
        this.#log.error({ err: error }, 'limits could not be asked for');
      for (const { reject } of batch)
        reject(new ApiError('service_unavailable', undefined, { cause: error }));
    }
  }
}

/** What a client may know of its limits: OpenAI's headers. */
export function limitHeaders(
  { requests, inputTokens, outputTokens }: Taken,
  limits: RateLimits,
): Record<string, string> {
  return {
    ...headersOf('requests', limits.requests, requests),
    ...headersOf('input-tokens', limits.inputTokens, inputTokens),
    ...headersOf('output-tokens', limits.outputTokens, outputTokens),
  };
}

function headersOf(
  what: string,
  limit: number | undefined,
  room: { remaining: number; resetMs: number } | undefined,
): Record<string, string> {
  if (limit === undefined || room === undefined) return {};
  return {
    [`x-ratelimit-limit-${what}`]: String(limit),
    [`x-ratelimit-remaining-${what}`]: String(room.remaining),
    [`x-ratelimit-reset-${what}`]: `${Math.ceil(room.resetMs / 1_000)}s`,
  };
}
