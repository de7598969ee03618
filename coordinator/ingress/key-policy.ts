import type { CatalogModel, KeyAmounts, RateLimits } from '#bus-schemas';
import type { ChatIntent } from '#http-api/core/introspect.ts';
import { ApiError } from '#http-api/errors.ts';
import type { KeyCaller } from './identity/key-cache.ts';
import { type LimitTaker, limitHeaders } from './limits/limit-taker.ts';
import type { OwnMachines } from './own-machines.ts';

interface Deps {
  readonly ownMachines: Pick<OwnMachines, 'of'>;
  readonly limits: LimitTaker;
  readonly accountLimits: RateLimits;
}

export interface WantedMachines {
  /** Only these machines may serve the job; undefined for any. */
  readonly only: readonly string[] | undefined;
  /** These machines are tried first. */
  readonly first: readonly string[];
  /** True if `only` are machines of the caller, who pays nothing for them. */
  readonly areOwn?: boolean;
}

const MAX_MACHINES = 64;

/** The rules of an API key, checked in this order: models, machines, rate limits. */
export class KeyPolicy {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  checkModel({ allowedModels }: KeyCaller, asked: string, model: CatalogModel): void {
    if (
      allowedModels === undefined ||
      allowedModels.includes(asked) ||
      allowedModels.includes(model.id)
    )
      return;
    throw new ApiError('model_not_allowed', undefined, { param: 'model' });
  }

  /**
   * The machines that may serve the job, and those that are tried first. A key for the owner's
   * machines is limited to those, regardless of the request.
   */
  async machinesFor(
    { account, selfRouteOnly }: KeyCaller,
    { only }: Pick<ChatIntent, 'only'>,
    route: unknown,
  ): Promise<WantedMachines> {
    if (route !== undefined && route !== 'self' && route !== 'prefer') {
      throw new ApiError('invalid_request', 'X-Dinf-Route must be "self" or "prefer".', {
        param: 'X-Dinf-Route',
      });
    }
    if (selfRouteOnly !== true && route === undefined) return { only, first: [] };
    const all = await this.#deps.ownMachines.of(account);
    const own = (only === undefined ? all : all.filter((id) => only.includes(id))).slice(
      0,
      MAX_MACHINES,
    );
    if (selfRouteOnly !== true && route === 'prefer') return { only, first: own };
    if (own.length === 0) throw new ApiError('no_linked_machine');
    return { only: own, first: [], areOwn: true };
  }

  /** Counts a request against the limits of its key and account. The headers state what is left. */
  async take(
    key: KeyCaller,
    amounts: KeyAmounts,
  ): Promise<{ headers: Record<string, string>; refusal: ApiError | undefined }> {
    const { limits } = this.#deps;
    const accountLimits = { ...this.#deps.accountLimits, ...key.accountLimits };
    const subjects = [
      ...(key.limits === undefined ? [] : [{ subject: key.key, limits: key.limits }]),
      ...(Object.keys(accountLimits).length === 0
        ? []
        : [{ subject: key.account, limits: accountLimits }]),
    ];
    if (subjects.length === 0) return { headers: {}, refusal: undefined };
    const taken = await limits.take({ ...amounts, subjects });
    const headers = limitHeaders(taken, { ...accountLimits, ...key.limits });
    return {
      headers,
      refusal: taken.ok
        ? undefined
        : new ApiError('rate_limit_exceeded', undefined, { retryAfterMs: taken.retryAfterMs }),
    };
  }
}
