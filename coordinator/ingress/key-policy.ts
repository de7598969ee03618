import { type CatalogModel, type RateLimits, services } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { callUntil } from './call-until.ts';
import type { ChatIntent } from './core/introspect.ts';
import { ApiError } from './errors.ts';
import type { KeyCaller } from './identity/key-cache.ts';
import { type LimitTaker, limitHeaders } from './limits/limit-taker.ts';

interface Deps {
  readonly bus: Bus;
  readonly limits: LimitTaker;
  readonly accountLimits: RateLimits;
  readonly clock: () => number;
}

const MACHINES_GOOD_MS = 5_000;
const MAX_KNOWN = 10_000;
const MAX_MACHINES = 64;

/** What a key may ask for, checked in one order: the model, whose machines, how much in a minute. */
export class KeyPolicy {
  readonly #deps: Deps;
  readonly #machines = new Map<string, { ids: readonly string[]; at: number }>();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  checkModel({ allowedModels }: KeyCaller, asked: string, model: CatalogModel): void {
    if (allowedModels === undefined || allowedModels.includes(asked) || allowedModels.includes(model.id)) return;
    throw new ApiError('model_not_allowed', undefined, { param: 'model' });
  }

  /** The machines that may serve it; undefined for any. */
  async machinesFor({ account, selfRouteOnly }: KeyCaller, { only }: ChatIntent, route: unknown): Promise<readonly string[] | undefined> {
    if (route !== undefined && route !== 'self') throw new ApiError('invalid_request', 'X-Dinf-Route must be "self".', { param: 'X-Dinf-Route' });
    if (selfRouteOnly !== true && route !== 'self') return only;
    const own = await this.#ownMachines(account);
    const wanted = only === undefined ? own : own.filter((id) => only.includes(id));
    if (wanted.length === 0) throw new ApiError('no_linked_machine');
    return wanted.slice(0, MAX_MACHINES);
  }

  /** Counts a request against the limits of its key and account; the headers say what is left. */
  async take(
    key: KeyCaller,
    asked: { inputTokens: number; outputTokens: number },
  ): Promise<{ headers: Record<string, string>; refusal: ApiError | undefined }> {
    const { accountLimits, limits } = this.#deps;
    const subjects = [
      ...(key.limits === undefined ? [] : [{ subject: key.key, limits: key.limits }]),
      ...(Object.keys(accountLimits).length === 0 ? [] : [{ subject: key.account, limits: accountLimits }]),
    ];
    if (subjects.length === 0) return { headers: {}, refusal: undefined };
    const taken = await limits.take({ ...asked, subjects });
    const headers = limitHeaders(taken, { ...accountLimits, ...key.limits });
    return { headers, refusal: taken.ok ? undefined : new ApiError('rate_limit_exceeded', undefined, { retryAfterMs: taken.retryAfterMs }) };
  }

  async #ownMachines(account: string): Promise<readonly string[]> {
    const { bus, clock } = this.#deps;
    const known = this.#machines.get(account);
    if (known !== undefined && clock() - known.at < MACHINES_GOOD_MS) return known.ids;
    const answer = await callUntil(bus, services.trust.machines, { account }, { eachMs: 2_000, totalMs: 4_000 });
    if (answer === undefined) throw new ApiError('service_unavailable');
    const ids = answer.machines.flatMap(({ provider, revokedAt }) => (revokedAt === undefined ? [provider] : []));
    if (this.#machines.size >= MAX_KNOWN) this.#machines.clear();
    this.#machines.set(account, { ids, at: clock() });
    return ids;
  }
}
