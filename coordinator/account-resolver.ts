import { encodeGeneric } from '@nats-io/jwt';
import { type Msg, type NatsConnection, TimeoutError } from '@nats-io/nats-core';
import { mintProviderAccount, type OperatorKeys } from '#bus-schemas';

/** Time that the hub has to answer one request to its resolver, in milliseconds. */
const TRY_MS = 1_600;
/** A request is lost if the system connection changes to another hub just then, so it is repeated. */
const TRIES = 3;

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
  const message = await requestRepeatedly(system, subject, payload);
  const reply = message.json<ResolverReply>();
  if (reply.error !== undefined)
    throw new Error(`${subject}: ${reply.error.description ?? 'refused'}`);
  return reply;
}

/** Every request to the resolver has the same effect when it is received twice. */
async function requestRepeatedly(
  system: NatsConnection,
  subject: string,
  payload: string,
): Promise<Msg> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await system.request(subject, payload, { timeout: TRY_MS });
    } catch (error) {
      if (!(error instanceof TimeoutError) || tried === TRIES) throw error;
    }
  }
}
