import { type Account, encodeAccount, encodeOperator, encodeUser, fmtCreds } from '@nats-io/jwt';
import { Nkey } from './nkey.ts';
import { decodeToken, userTokenIn } from './tokens.ts';

/**
 * Permissions on the bus, as data. CORE exports `up.<P>.…` and `down.<P>.…` for every account P,
 * and the server itself writes the key of the importing account into that place, so an account
 * cannot use the name of another one. Only the operator's key signs accounts, so no account can
 * give itself an import.
 */
const UNLIMITED = -1;
const MAX_LEAVES = 1;
/** Maximum number of connections of a provider's account. The leaf is one of them. */
const MAX_CONNECTIONS = 4;
const MAX_SUBSCRIPTIONS = 256;
const ACCOUNT_POSITION = 2;

const open = {
  imports: UNLIMITED,
  exports: UNLIMITED,
  wildcards: true,
  conn: UNLIMITED,
  subs: UNLIMITED,
  data: UNLIMITED,
  payload: UNLIMITED,
};
const jetstream = {
  mem_storage: UNLIMITED,
  disk_storage: UNLIMITED,
  streams: UNLIMITED,
  consumer: UNLIMITED,
};

/**
 * Requests with which the operators' tools read the state of streams and consumers. None of them
 * returns a fact, and none changes anything.
 */
const JETSTREAM_STATE = [
  '$JS.API.INFO',
  '$JS.API.STREAM.NAMES',
  '$JS.API.STREAM.LIST',
  '$JS.API.STREAM.INFO.*',
  '$JS.API.CONSUMER.NAMES.*',
  '$JS.API.CONSUMER.LIST.*',
  '$JS.API.CONSUMER.INFO.*.*',
] as const;

const systemAccount: Partial<Account> = { limits: { ...open, leaf: 0 } };

const coreAccount: Partial<Account> = {
  limits: { ...open, ...jetstream, leaf: 0 },
  exports: [
    {
      name: 'up',
      subject: 'up.*.>',
      type: 'service',
      response_type: 'Stream',
      account_token_position: ACCOUNT_POSITION,
    },
    { name: 'down', subject: 'down.*.>', type: 'stream', account_token_position: ACCOUNT_POSITION },
    { name: 'facts', subject: 'evt.>', type: 'stream' },
    { name: 'discovery', subject: '$SRV.>', type: 'service', response_type: 'Stream' },
    ...JETSTREAM_STATE.map((subject) => ({ name: subject, subject, type: 'service' as const })),
  ],
};

const opsAccount = (core: string): Partial<Account> => ({
  limits: { ...open, exports: 0, leaf: 0 },
  imports: [
    { name: 'facts', account: core, subject: 'evt.>', type: 'stream' },
    { name: 'discovery', account: core, subject: '$SRV.>', type: 'service' },
    ...JETSTREAM_STATE.map((subject) => ({
      name: subject,
      account: core,
      subject,
      type: 'service' as const,
    })),
  ],
});

const providerAccount = (core: string, provider: string): Partial<Account> => ({
  limits: {
    ...open,
    imports: 2,
    exports: 0,
    wildcards: false,
    conn: MAX_CONNECTIONS,
    leaf: MAX_LEAVES,
    subs: MAX_SUBSCRIPTIONS,
  },
  imports: [
    {
      name: 'up',
      account: core,
      subject: `up.${provider}.>`,
      local_subject: 'up.>',
      type: 'service',
    },
    {
      name: 'down',
      account: core,
      subject: `down.${provider}.>`,
      local_subject: 'down.>',
      type: 'stream',
    },
  ],
});

/** The keys with which a running network signs accounts and credentials. */
export interface OperatorKeys {
  /**
   * Signs accounts in the name of the operator. The operator's identity key signs this key once, so
   * that the identity key can be stored offline.
   */
  readonly signing: Nkey;
  readonly system: Nkey;
  readonly core: Nkey;
  readonly ops: Nkey;
}

export interface OperatorJwts {
  readonly operator: string;
  readonly system: string;
  readonly core: string;
  readonly ops: string;
}

/** Makes the operator's own token, which names the public keys that may sign accounts. */
export function mintOperator(
  identity: Nkey,
  { signingKeys, system }: { readonly signingKeys: readonly string[]; readonly system: Nkey },
): Promise<string> {
  return encodeOperator('d-inference', identity, {
    system_account: system.getPublicKey(),
    signing_keys: [...signingKeys],
  });
}

/** The public keys that the operator's token allows to sign accounts, without the identity key. */
export function signingKeysOf(operatorJwt: string): readonly string[] {
  return decodeToken<{ signing_keys?: string[] }>(operatorJwt).nats.signing_keys ?? [];
}

/** Whether the operator's token allows this key to sign accounts. */
export function isSigningKey(operatorJwt: string, key: Nkey): boolean {
  const publicKey = key.getPublicKey();
  return (
    decodeToken(operatorJwt).sub === publicKey || signingKeysOf(operatorJwt).includes(publicKey)
  );
}

/** The accounts that belong to the operator. */
export type OwnAccount = 'system' | 'core' | 'ops';

/**
 * Users of the operator's accounts whose credentials hubs refuse: their public keys, and the time
 * of the revocation in seconds since 1970.
 */
export type RevokedUsers = Readonly<Partial<Record<OwnAccount, Readonly<Record<string, number>>>>>;

/** Makes the tokens of the accounts that belong to the operator. */
export async function mintOwnAccounts(
  keys: OperatorKeys,
  revoked: RevokedUsers = {},
): Promise<Omit<OperatorJwts, 'operator'>> {
  const mint = (name: string, account: OwnAccount, rights: Partial<Account>) => {
    const revocations = revoked[account];
    return encodeAccount(name, keys[account], revocations ? { ...rights, revocations } : rights, {
      signer: keys.signing,
    });
  };
  return {
    system: await mint('SYS', 'system', systemAccount),
    core: await mint('CORE', 'core', coreAccount),
    ops: await mint('OPS', 'ops', opsAccount(keys.core.getPublicKey())),
  };
}

export function mintProviderAccount(
  { signing, core }: Pick<OperatorKeys, 'signing' | 'core'>,
  provider: string,
): Promise<string> {
  return encodeAccount('provider', provider, providerAccount(core.getPublicKey(), provider), {
    signer: signing,
  });
}

/**
 * Mints a token for the provider's own key: without that key the token is useless. The account has
 * no other subjects than these, except those that the server offers every account; the token denies
 * those too.
 */
export function mintProviderUser(
  account: Nkey,
  userKey: string,
  expiresAt: number,
): Promise<string> {
  const rights = {
    allowed_connection_types: ['LEAFNODE' as const],
    pub: { allow: ['up.>'] },
    sub: { allow: ['down.>'] },
  };
  return encodeUser('provider', userKey, account, rights, { exp: Math.floor(expiresAt / 1_000) });
}

const READ_ONLY = {
  pub: { allow: ['$SRV.>', ...JETSTREAM_STATE] },
  sub: { allow: ['evt.>', '_INBOX.>'] },
};

/**
 * Whether a credentials file has exactly the rights that this version gives operators' tools. Files
 * of older versions have fewer.
 */
export function isReadOnly(credentials: string): boolean {
  const { nats } = decodeToken<Partial<typeof READ_ONLY>>(userTokenIn(credentials));
  return (
    JSON.stringify(nats.pub?.allow) === JSON.stringify(READ_ONLY.pub.allow) &&
    JSON.stringify(nats.sub?.allow) === JSON.stringify(READ_ONLY.sub.allow)
  );
}

/** The public key of the user that a credentials file is for. */
export const userOf = (credentials: string): string => decodeToken(userTokenIn(credentials)).sub;

/** Makes a credentials file for a program of the coordinator or the operator. */
export async function mintCredentials(
  name: string,
  account: Nkey,
  rights: 'all' | 'read-only',
): Promise<string> {
  const user = Nkey.create('user');
  const jwt = await encodeUser(name, user, account, {
    allowed_connection_types: ['STANDARD'],
    ...(rights === 'read-only' && READ_ONLY),
  });
  return new TextDecoder().decode(fmtCreds(jwt, user));
}

/**
 * Returns when the token in a credentials file was issued and when it expires, in milliseconds
 * since 1970. Tokens of older versions never expire.
 */
export function credentialsLifetime(credentials: string): {
  issuedAt: number;
  expiresAt: number | undefined;
} {
  const { iat, exp } = decodeToken(userTokenIn(credentials));
  return { issuedAt: iat * 1_000, expiresAt: exp ? exp * 1_000 : undefined };
}

/**
 * The text that a machine signs with its own nkey to get a new token. It contains a nonce of the
 * coordinator; an attacker could otherwise send a recorded signature again.
 */
export function renewalText(provider: string, nonce: string): Uint8Array {
  return Buffer.from(`d-inference: renew the leaf credentials\n${provider}\n${nonce}`);
}

/** The text that a machine signs with its own nkey to read its earnings, with the same kind of nonce. */
export function earningsText(provider: string, nonce: string): Uint8Array {
  return Buffer.from(`d-inference: read the earnings of this machine\n${provider}\n${nonce}`);
}

export function providerCredentials(jwt: string, user: Nkey): string {
  return new TextDecoder().decode(fmtCreds(jwt, user));
}
