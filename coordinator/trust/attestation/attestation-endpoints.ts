import type { Pool } from 'pg';
import { type MessageOf, services } from '#bus-schemas';
import { type Endpoint, endpoint } from '#coordinator/bus.ts';
import type { Overbilling } from '../billing/overbilling.ts';
import { readSigningKey, readVerified, readVerifiedMachine } from './attested-machines.ts';
import type { Attestor } from './attestor.ts';
import { readStandings } from './machine-standings.ts';
import { readVerdicts } from './verdict-store.ts';

/** A page of evidence must fit into one message, even with certificates of every machine. */
const MAX_EVIDENCE = 20;

interface AttestationDeps {
  readonly database: Pool;
  readonly attestor: Attestor;
  readonly overbilling: Overbilling;
  readonly now: () => number;
}

export function attestationEndpoints({
  database,
  attestor,
  overbilling,
  now,
}: AttestationDeps): Endpoint[] {
  return [
    endpoint(services.trust.verdicts, async ({ after = '', limit }) => ({
      verdicts: await readVerdicts(database, { after, limit, now: now() }),
    })),
    endpoint(
      services.trust.evidence,
      async ({ provider }): Promise<MessageOf<typeof services.trust.evidence.reply>> => {
        const found = await readVerifiedMachine(database, provider, now());
        return found === undefined ? { ok: false, code: 'none' } : { ok: true, ...found };
      },
    ),
    endpoint(services.trust.signingKey, async ({ provider }) => {
      const signingKey = await readSigningKey(database, provider);
      return { ...(signingKey && { signingKey }) };
    }),
    endpoint(services.trust.attestation, async ({ after = '', limit }) => ({
      machines: await readVerified(database, {
        after,
        limit: Math.min(limit, MAX_EVIDENCE),
        now: now(),
      }),
    })),
    endpoint(services.trust.standings, async ({ providers }) => ({
      machines: await readStandings(database, providers),
    })),
    endpoint(services.trust.accuse, async ({ provider }) => ({
      accused: await attestor.accuse(provider, 'wrong_model'),
    })),
    endpoint(services.trust.prove, async ({ provider }) => ({
      proven: await attestor.prove(provider),
    })),
    endpoint(services.trust.drain, async ({ provider, isDrained }) => ({
      known: await attestor.pause(provider, 'drained', isDrained),
    })),
    endpoint(services.trust.pardon, async ({ provider }) => {
      await overbilling.forget(provider);
      return { pardoned: await attestor.pardon(provider) };
    }),
  ];
}
