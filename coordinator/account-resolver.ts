import { encodeGeneric } from '@nats-io/jwt';
import type { NatsConnection } from '@nats-io/nats-core';
import { mintProviderAccount, type OperatorKeys } from '#bus-schemas';

const TIMEOUT_MS = 5_000;

interface ResolverReply {
  readonly error?: { readonly description?: string };
  readonly data?: unknown;
}

/** Changes the accounts of the hub while it runs. */
export class AccountResolver {
  readonly #system: NatsConnection;
  readonly #keys: OperatorKeys;

  constructor(system: NatsConnection, keys: OperatorKeys) {
    this.#system = system;
    this.#keys = keys;
  }

  async admit(provider: string): Promise<void> {
    await replaceAccount(this.#system, await mintProviderAccount(this.#keys, provider));
  }

  /** Also ends the connections of these accounts. */
  async expel(providers: readonly string[]): Promise<void> {
    const { signing } = this.#keys;
    await ask(
      this.#system,
      '$SYS.REQ.CLAIMS.DELETE',
      await encodeGeneric(
        'expel',
        signing,
        'claims',
        { accounts: [...providers] },
        { signer: signing },
      ),
    );
  }

  async known(): Promise<Set<string>> {
    const { data } = await ask(this.#system, '$SYS.REQ.CLAIMS.LIST', '');
    return new Set(
      Array.isArray(data) ? data.filter((account) => typeof account === 'string') : [],
    );
  }
}

/** Replaces the token of an account. Also ends the connections of users that it revokes. */
export async function replaceAccount(system: NatsConnection, accountJwt: string): Promise<void> {
  await ask(system, '$SYS.REQ.CLAIMS.UPDATE', accountJwt);
}

async function ask(
  system: NatsConnection,
  subject: string,
  payload: string,
): Promise<ResolverReply> {
  const message = await system.request(subject, payload, { timeout: TIMEOUT_MS });
  const reply = message.json<ResolverReply>();
  if (reply.error !== undefined)
    throw new Error(`${subject}: ${reply.error.description ?? 'refused'}`);
  return reply;
}
