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
import { Batcher } from '#coordinator/batcher.ts';
import type { Bus } from '#coordinator/bus.ts';
import { ApiError } from '#http-api/errors.ts';
import { answerOf } from '../call-until.ts';

const MAX_TAKES = 256;

/**
 * Counts requests against their limits. All requests that arrive during one call to accounts are
 * counted by the next call together. The counts are in accounts, which all ingresses share, so a
 * limit does not depend on the number of ingresses.
 */
export class LimitTaker {
  readonly #bus: Bus;
  readonly #log: Logger;
  readonly #batcher: Batcher<Take, Taken>;

  constructor(bus: Bus, log: Logger) {
    this.#bus = bus;
    this.#log = log;
    this.#batcher = new Batcher({ run: (takes) => this.#ask(takes), maximum: MAX_TAKES, lanes: 1 });
  }

  take(take: Take): Promise<Taken> {
    return this.#batcher.add(take);
  }

  async #ask(takes: readonly Take[]): Promise<readonly Taken[]> {
    try {
      // Called once, without retries: a call whose reply was lost may have counted already, and
      // counting a request twice is worse than a retry by the client.
      const { results } = await answerOf(
        this.#bus,
        services.accounts.take,
        { takes: [...takes] },
        { eachMs: 2_000, totalMs: 2_000 },
      );
      if (results.length !== takes.length)
        throw new Error(`${takes.length} requests to count got ${results.length} results`);
      return results;
    } catch (error) {
      if (!(error instanceof ApiError))
        this.#log.error(
          { err: error },
          'the call that counts requests against their limits failed',
        );
      throw new ApiError('service_unavailable', undefined, { cause: error });
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
