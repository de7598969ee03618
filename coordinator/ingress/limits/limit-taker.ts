import type { Logger } from 'pino';
import {
  RATE_LIMIT_NAMES,
  RATE_LIMITS,
  type RateLimitName,
  type RateLimits,
  services,
  type Take,
  type Taken,
} from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { ApiError } from '#http-api/errors.ts';
import { answerOf } from '../call-until.ts';

const MAX_TAKES = 256;

interface Waiting {
  readonly take: Take;
  readonly resolve: (taken: Taken) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Counts requests against their limits. All requests that arrive during one call to accounts are
 * counted by the next call together. The counts are in accounts, which all ingresses share, so a
 * limit does not depend on the number of ingresses.
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
      // Called once, without retries: a call whose reply was lost may have counted already, and
      // counting a request twice is worse than a retry by the client.
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
        this.#log.error(
          { err: error },
          'the call that counts requests against their limits failed',
        );
      for (const { reject } of batch)
        reject(new ApiError('service_unavailable', undefined, { cause: error }));
    }
  }
}

/** Headers that tell a client what is left of its limits, in OpenAI's format. */
export function limitHeaders(taken: Taken, limits: RateLimits): Record<string, string> {
  return Object.assign({}, ...RATE_LIMIT_NAMES.map((name) => headersOf(name, taken, limits)));
}

function headersOf(name: RateLimitName, taken: Taken, limits: RateLimits): Record<string, string> {
  const [limit, room] = [limits[name], taken[name]];
  if (limit === undefined || room === undefined) return {};
  const { header } = RATE_LIMITS[name];
  return {
    [`x-ratelimit-limit-${header}`]: String(limit),
    [`x-ratelimit-remaining-${header}`]: String(room.remaining),
    [`x-ratelimit-reset-${header}`]: `${Math.ceil(room.resetMs / 1_000)}s`,
  };
}
