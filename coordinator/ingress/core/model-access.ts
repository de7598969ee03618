import type { CatalogModel } from '#bus-schemas';
import { ApiError } from '#http-api/errors.ts';

/** Rules for models in a beta test, models that are shed, and deprecated models. */

interface Asker {
  readonly account: string;
  readonly key: string;
}

/** Whether the caller may see and use the model. A beta test does not exist for other callers. */
export function mayUse({ betaFor }: CatalogModel, { account, key }: Asker): boolean {
  return betaFor === undefined || betaFor.includes(account) || betaFor.includes(key);
}

/** Throws for a model that an operator sheds, with the reason and the time until it ends. */
export function checkNotShed({ id, shed }: CatalogModel, now: number): void {
  if (shed === undefined || shed.until <= now) return;
  throw new ApiError(
    'model_shed',
    `The operator has paused requests for ${id} until ${new Date(shed.until).toISOString()}: ${shed.reason}`,
    { param: 'model', retryAfterMs: shed.until - now },
  );
}

/** The headers of RFC 9745 (a number of seconds) and RFC 8594 (a date of HTTP). */
export function deprecationHeaders({ deprecation }: CatalogModel): Record<string, string> {
  if (deprecation === undefined) return {};
  const { at, sunsetAt } = deprecation;
  return {
    deprecation: `@${Math.floor(at / 1_000)}`,
    ...(sunsetAt !== undefined && { sunset: new Date(sunsetAt).toUTCString() }),
  };
}
