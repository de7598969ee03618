import { InferenceRequest } from '#bus-schemas';
import { cacheScopeOf } from '#http-api/core/cache-scope.ts';
import { type ChatIntent, forwardedRequest } from '#http-api/core/introspect.ts';
import { beginningsOf } from '#http-api/core/prefixes.ts';
import type { SealedClient } from '../mod.ts';

export interface SealedCall {
  readonly client: SealedClient;
  readonly intent: ChatIntent;
  readonly authorization: string;
  /**
   * Secret for digests of conversations. It never leaves this machine: with it, the coordinator
   * could confirm a guessed prompt by its digest.
   */
  readonly secret: Uint8Array;
  /** `self` allows only the caller's own machines, `prefer` tries those first. */
  readonly route?: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * Bytes that the output limit may add to a request. The request is measured before the limit is
 * known.
 */
const LIMIT_ROOM_BYTES = 32;
const UNKNOWN_LIMIT = 1;

/** Asks for a machine, and returns the events of its answer to a request that is sealed for it. */
export async function askSealed({
  client,
  intent,
  authorization,
  secret,
  route,
  signal,
}: SealedCall): Promise<ReturnType<SealedClient['run']>> {
  const scope = cacheScopeOf({ secret, kind: 'sealed', authorization, now: Date.now() });
  const wish = { ...wishOf(intent, scope), route };
  const place = await client.place(wish, authorization, signal);
  const request = forwardedRequest(intent, { maxOutputTokens: place.maxTokens, cacheScope: scope });
  return client.run({ wish, place, request }, authorization, signal);
}

function wishOf(intent: ChatIntent, scope: string) {
  const { model, maxOutputTokens, requires, body } = intent;
  const longest = InferenceRequest.encode(
    forwardedRequest(intent, {
      maxOutputTokens: maxOutputTokens ?? UNKNOWN_LIMIT,
      cacheScope: scope,
    }),
  );
  return {
    model,
    requires,
    maxTokens: maxOutputTokens,
    provider: body['provider'],
    requestBytes: longest.length + LIMIT_ROOM_BYTES,
    // A digest that is the same for every turn of a conversation. Without the secret it reveals
    // nothing.
    affinity: beginningsOf(intent, scope).conversation.slice(0, 64),
  };
}
