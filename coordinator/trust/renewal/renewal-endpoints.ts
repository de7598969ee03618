import { join } from 'node:path';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import {
  isNkeySigned,
  type MessageOf,
  mintProviderUser,
  type Renewed,
  renewalText,
  services,
} from '#bus-schemas';
import { type Endpoint, endpoint } from '#coordinator/bus.ts';
import { loadStatements, query } from '#coordinator/sql.ts';
import { counter } from '#observability';
import { isRenewalNonce, newRenewalNonce } from '../core/renewal-nonce.ts';
import { accountKey } from '../provider-account.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), ['provider-key']);

const HOUR_MS = 3_600_000;
/** A machine renews once in half of the lifetime; further requests follow lost answers. */
const MAX_AN_HOUR = 20;

export interface RenewalOptions {
  readonly database: Pool;
  readonly log: Logger;
  readonly metrics: Registry;
  readonly masterSecret: Uint8Array;
  readonly leafUrls: readonly string[];
  readonly leafLifetimeMs: number;
  readonly now: () => number;
}

type Renewal = MessageOf<typeof services.trust.renew.request>;

/**
 * Issues new tokens to enrolled machines that are not revoked. A token is bound to the nkey of the
 * machine, so it is useless to anyone else.
 */
export function renewalEndpoints({
  database,
  log,
  metrics,
  masterSecret,
  leafUrls,
  leafLifetimeMs,
  now,
}: RenewalOptions): Endpoint[] {
  const renewals = counter(metrics, 'dinf_trust_renewals_total');
  const limit = new HourlyCount(now);

  const renew = async ({ provider, nonce, signature }: Renewal): Promise<Renewed> => {
    if (!isRenewalNonce(masterSecret, { provider, nonce, now: now() }))
      return { ok: false, code: 'stale_nonce' };
    const [machine] = await query<{ salt: Buffer; userKey: string; revokedAt: Date | null }>(
      database,
      sql['provider-key'],
      [provider],
    );
    if (machine === undefined) return { ok: false, code: 'unknown_machine' };
    const { userKey } = machine;
    if (
      !isNkeySigned({
        kind: 'user',
        publicKey: userKey,
        input: renewalText(provider, nonce),
        signature,
      })
    )
      return { ok: false, code: 'bad_signature' };
    if (machine.revokedAt !== null) return { ok: false, code: 'revoked' };
    // Counts only signed requests: otherwise a stranger could use up the renewals of a machine.
    if (limit.add(provider) > MAX_AN_HOUR) return { ok: false, code: 'too_often' };
    const userJwt = await mintProviderUser(
      accountKey(masterSecret, machine.salt),
      userKey,
      now() + leafLifetimeMs,
    );
    return { ok: true, userJwt, leafUrls: [...leafUrls] };
  };

  return [
    endpoint(services.trust.renewalNonce, ({ provider }) => ({
      nonce: newRenewalNonce(masterSecret, provider, now()),
    })),
    endpoint(services.trust.renew, async (request) => {
      const answer = await renew(request);
      const outcome = answer.ok ? 'renewed' : answer.code;
      renewals.inc({ outcome });
      log.info({ provider: request.provider, outcome }, 'a machine asked for new leaf credentials');
      return answer;
    }),
  ];
}

/** Counts per machine in the running hour; at most one entry per enrolled machine. */
class HourlyCount {
  readonly #now: () => number;
  readonly #counts = new Map<string, number>();
  #endsAt = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  add(provider: string): number {
    if (this.#now() >= this.#endsAt) {
      this.#counts.clear();
      this.#endsAt = this.#now() + HOUR_MS;
    }
    const count = (this.#counts.get(provider) ?? 0) + 1;
    this.#counts.set(provider, count);
    return count;
  }
}
