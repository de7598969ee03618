import { createHmac } from 'node:crypto';

interface ScopeOptions {
  readonly secret: string | Uint8Array;
  /** `sealed` for prompts that only the customer's machine and the provider can read. */
  readonly kind: 'cache' | 'sealed';
  /** The API key, if the secret is not the key itself. */
  readonly authorization?: string;
  readonly now: number;
}

/**
 * The cache scope: a digest that is the same for all prompts of one API key on one UTC day. A
 * provider reuses cached prompts only within one scope. Coordinator and providers cannot derive
 * anything else from it.
 *
 * The attack: a customer sends guesses of another customer's prompt, and learns from a faster
 * answer that a guess is in the cache.
 */
export function cacheScopeOf({ secret, kind, authorization, now }: ScopeOptions): string {
  const day = new Date(now).toISOString().slice(0, 10);
  const suffix = authorization === undefined ? '' : ` ${authorization}`;
  return createHmac('sha256', secret)
    .update(`dinf ${kind} scope ${day}${suffix}`)
    .digest('base64url');
}
