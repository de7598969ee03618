import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import {
  earningsText,
  isNkeySigned,
  type MessageOf,
  mintProviderUser,
  type Renewed,
  renewalText,
  services,
} from '#bus-schemas';
import { type Endpoint, endpoint } from '#coordinator/bus.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import { WindowCounts } from '#coordinator/window-counts.ts';
import { counter } from '#observability';
import { isRenewalNonce, newRenewalNonce } from '../core/renewal-nonce.ts';
import { accountKey } from '../provider-account.ts';

const FIND_KEY = namedStatement<{ salt: Buffer; userKey: string; revokedAt: Date | null }>(
  'renewal.provider-key',
)`SELECT salt, user_key AS "userKey", revoked_at AS "revokedAt" FROM providers
  WHERE id = ${'provider'}`;

const HOUR_MS = 3_600_000;
/** A machine renews once in half of the lifetime; further requests follow lost answers. */
const MAX_AN_HOUR = 20;
/** A status screen that is left open reads the earnings every five minutes. */
const MAX_READS_AN_HOUR = 120;

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
type ReaderProved = MessageOf<typeof services.trust.proveReader.reply>;

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
  const limit = new WindowCounts({ windowMs: HOUR_MS, now });
  const reads = new WindowCounts({ windowMs: HOUR_MS, now });

  /** Reads the machine, if the request is signed with its key and with a fresh nonce. */
  const signedBy = async (
    { provider, nonce, signature }: Renewal,
    textOf: (provider: string, nonce: string) => Uint8Array,
  ) => {
    if (!isRenewalNonce(masterSecret, { provider, nonce, now: now() }))
      return { ok: false, code: 'stale_nonce' } as const;
    const [machine] = await queryNamed(database, FIND_KEY, { provider });
    if (machine === undefined) return { ok: false, code: 'unknown_machine' } as const;
    if (
      !isNkeySigned({
        kind: 'user',
        publicKey: machine.userKey,
        input: textOf(provider, nonce),
        signature,
      })
    )
      return { ok: false, code: 'bad_signature' } as const;
    if (machine.revokedAt !== null) return { ok: false, code: 'revoked' } as const;
    return { ok: true, machine } as const;
  };

  const renew = async (request: Renewal): Promise<Renewed> => {
    const proof = await signedBy(request, renewalText);
    if (!proof.ok) return proof;
    const { provider } = request;
    const { salt, userKey } = proof.machine;
    // Counts only signed requests: otherwise a stranger could use up the renewals of a machine.
    if (limit.add(provider) > MAX_AN_HOUR) return { ok: false, code: 'too_often' };
    const userJwt = await mintProviderUser(
      accountKey(masterSecret, salt),
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
    endpoint(services.trust.proveReader, async (request): Promise<ReaderProved> => {
      const proof = await signedBy(request, earningsText);
      if (!proof.ok) return proof;
      const isTooOften = reads.add(request.provider) > MAX_READS_AN_HOUR;
      return isTooOften ? { ok: false, code: 'too_often' } : { ok: true };
    }),
  ];
}
