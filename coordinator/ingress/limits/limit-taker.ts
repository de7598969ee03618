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

/**
 * Headers that tell a client what is left of its limits, in OpenAI's format. OpenAI has one limit
 * for tokens: `tokens` repeats the limit for tokens of which the least is left.
 */
export function limitHeaders(taken: Taken, limits: RateLimits): Record<string, string> {
  const states = RATE_LIMIT_NAMES.flatMap((name) => stateOf(name, taken, limits));
  const [tightest] = states
    .filter(({ name }) => name !== 'requests')
    .toSorted((one, other) => one.remaining - other.remaining);
  return Object.assign(
    {},
    ...states.map((state) => headersOf(RATE_LIMITS[state.name].header, state)),
    tightest && headersOf('tokens', tightest),
  );
}

interface LimitState {
  readonly name: RateLimitName;
  readonly limit: number;
  readonly remaining: number;
  readonly resetMs: number;
}

function stateOf(name: RateLimitName, taken: Taken, limits: RateLimits): LimitState[] {
  const [limit, room] = [limits[name], taken[name]];
  return limit === undefined || room === undefined ? [] : [{ name, limit, ...room }];
}

function headersOf(
  name: string,
  { limit, remaining, resetMs }: LimitState,
): Record<string, string> {
  return {
    [`x-ratelimit-limit-${name}`]: String(limit),
    [`x-ratelimit-remaining-${name}`]: String(remaining),
    [`x-ratelimit-reset-${name}`]: `${Math.ceil(resetMs / 1_000)}s`,
  };
}
