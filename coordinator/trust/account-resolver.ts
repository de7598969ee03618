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
    await this.#ask('$SYS.REQ.CLAIMS.UPDATE', await mintProviderAccount(this.#keys, provider));
  }

  /** Also ends the connections of these accounts. */
  async expel(providers: readonly string[]): Promise<void> {
    const { signing } = this.#keys;
    await this.#ask(
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
    const { data } = await this.#ask('$SYS.REQ.CLAIMS.LIST', '');
    return new Set(
      Array.isArray(data) ? data.filter((account) => typeof account === 'string') : [],
    );
  }

  async #ask(subject: string, payload: string): Promise<ResolverReply> {
    const message = await this.#system.request(subject, payload, { timeout: TIMEOUT_MS });
    const reply = message.json<ResolverReply>();
    if (reply.error !== undefined)
      throw new Error(`${subject}: ${reply.error.description ?? 'refused'}`);
    return reply;
  }
}
