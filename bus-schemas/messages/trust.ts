import { type Static, Type } from 'typebox';
import { Hash, X25519Key } from '../bytes.ts';
import { Bytes, defineMessage } from '../codec.ts';
import { Evidence, NONCE_BYTES, WeightsDigest } from '../evidence/evidence.ts';
import { AccountId, ProviderId } from '../ids.ts';
import { P256_KEY_BYTES } from '../receipts/signatures.ts';
import { At, count, nothing, optional } from '../schema-parts.ts';
import { methodsOf, ok, refused } from './service-method.ts';
import { Standing, TrustFault, TrustLevel } from './vocabulary.ts';

/** Who belongs to the network, and what each machine has shown of itself. */

// between a machine and us

/** Show what you are, now. */
export const Challenge = defineMessage(
  'challenge',
  Type.Object({ nonce: Bytes({ min: NONCE_BYTES, max: NONCE_BYTES }) }),
);

const trustWord = Type.Union([
  /** It wants to serve with this key, and nobody has challenged it for it yet. */
  Type.Object({ t: Type.Literal('ask'), sealingKey: X25519Key }),
  Type.Object({ t: Type.Literal('evidence'), evidence: Evidence }),
]);
export type TrustWord = Static<typeof trustWord>;
/** What a machine says to be trusted. */
export const TrustWord = defineMessage('trust', trustWord);

const judgement = Type.Object({
  standing: Standing,
  level: TrustLevel,
  fault: optional(TrustFault),
  sealingKey: optional(X25519Key),
});
export type Judgement = Static<typeof judgement>;
/** What came of it, to the machine itself. */
export const Judgement = defineMessage('judgement', judgement);

/** What came of it, to everybody. */
const Verdict = Type.Object({
  provider: ProviderId,
  /** Grows with every change: an older one that comes late changes nothing. */
  revision: count,
  standing: Standing,
  level: TrustLevel,
  fault: optional(TrustFault),
  sealingKey: optional(X25519Key),
  signingKey: optional(Bytes({ min: P256_KEY_BYTES, max: P256_KEY_BYTES })),
  codeHash: optional(Hash),
  /** Of its builds; of one that is not here nothing is known. */
  weights: optional(Type.Array(WeightsDigest, { maxItems: 64 })),
  /** Linked by a person, and no canary has passed yet: it gets a small share of the traffic. */
  probation: optional(Type.Boolean()),
  /** Good until then, by the clock of trust. */
  freshUntil: At,
  at: At,
});
export type Verdict = Static<typeof Verdict>;
export const TrustVerdict = defineMessage('evt.trust.verdict', Verdict);

// enrolment

const enrol = Type.Object({
  token: Type.String({ minLength: 16, maxLength: 128 }),
  /** The provider's own nkey; its seed never leaves the machine. */
  userKey: Type.String({ pattern: '^U[A-Z2-7]{55}$' }),
  name: Type.String({ maxLength: 120 }),
});
const enrolled = Type.Union([
  ok({
    provider: ProviderId,
    userJwt: Type.String({ maxLength: 16_384 }),
    leafUrls: Type.Array(Type.String({ maxLength: 256 }), { maxItems: 16 }),
  }),
  refused(['unknown_token', 'used_token', 'expired_token', 'owner_caught', 'too_many_machines']),
]);
export type Enrolled = Static<typeof enrolled>;
/**
 * Names the refusal: `stale_nonce` also for a nonce of another machine, or one that was not made
 * here.
 */
const RENEWAL_REFUSALS = [
  'unknown_machine',
  'bad_signature',
  'stale_nonce',
  'revoked',
  'too_often',
] as const;
const renewalNonce = Type.Object({ nonce: Type.String({ maxLength: 128 }) });
const renew = Type.Object({
  provider: ProviderId,
  nonce: Type.String({ maxLength: 128 }),
  /** Ed25519, with the machine's own nkey, over `renewalText`. */
  signature: Bytes({ min: 64, max: 64 }),
});
const renewed = Type.Union([
  ok({
    userJwt: Type.String({ maxLength: 16_384 }),
    leafUrls: Type.Array(Type.String({ maxLength: 256 }), { maxItems: 16 }),
  }),
  refused([...RENEWAL_REFUSALS]),
]);
export type Renewed = Static<typeof renewed>;
const ofProvider = Type.Object({ provider: ProviderId });
const owned = Type.Object({ account: optional(AccountId) });
const ofAccount = Type.Object({ account: AccountId });
const machines = Type.Object({
  machines: Type.Array(
    Type.Object({
      provider: ProviderId,
      name: Type.String({ maxLength: 120 }),
      enrolledAt: At,
      revokedAt: optional(At),
      standing: optional(Standing),
      level: optional(TrustLevel),
      fault: optional(TrustFault),
    }),
    { maxItems: 1_000 },
  ),
});
const createToken = Type.Object({ account: optional(AccountId), lifetimeMs: count });
const tokenCreated = Type.Object({ token: Type.String(), expiresAt: At });
/** What the machines of an account have done, for operators. */
const OwnerRecord = Type.Object({
  account: AccountId,
  machines: count,
  removed: count,
  linkedLastDay: count,
  /** Caught, and not pardoned: while there is one, the account links no other machine. */
  caught: count,
});
const ownersRequest = Type.Object({ account: optional(AccountId) });
const owners = Type.Object({ owners: Type.Array(OwnerRecord, { maxItems: 1_000 }) });
const providerRevoked = Type.Object({ revoked: Type.Boolean() });

// verdicts

const verdictsRequest = Type.Object({
  /** The last one of the page before. */
  after: optional(ProviderId),
  limit: Type.Integer({ minimum: 1, maximum: 1_000 }),
});
const verdicts = Type.Object({ verdicts: Type.Array(Verdict, { maxItems: 1_000 }) });
/** `none`: nothing that holds now. */
const evidence = Type.Union([
  ok({ evidence: Evidence, level: TrustLevel, freshUntil: At }),
  refused(['none']),
]);
const signingKey = Type.Object({
  signingKey: optional(Bytes({ min: P256_KEY_BYTES, max: P256_KEY_BYTES })),
});
const attestation = Type.Object({
  machines: Type.Array(Type.Object({ level: TrustLevel, freshUntil: At, evidence: Evidence }), {
    maxItems: 1_000,
  }),
});
const pardoned = Type.Object({ pardoned: Type.Boolean() });
const accused = Type.Object({ accused: Type.Boolean() });
const proven = Type.Object({ proven: Type.Boolean() });

// devices

const assignDevice = Type.Object({
  provider: ProviderId,
  serial: Type.String({ minLength: 5, maxLength: 32 }),
});
const deviceAssigned = Type.Object({ assigned: Type.Boolean() });
/** As MDM sent it, with the secret that it was told to send along. */
const mdmEvent = Type.Object({
  body: Bytes({ min: 1, max: 256 * 1_024 }),
  secret: Type.String({ maxLength: 256 }),
});
/** But for `kept` the device is asked again, or was not asked. */
const MDM_OUTCOMES = [
  'kept',
  'no_answer',
  'not_asked',
  'failed',
  'no_attestation',
  'bad_chain',
  'stale',
  'other_device',
  'posture_off',
] as const;
const mdmEventTaken = Type.Union([
  ok({ outcome: Type.Enum(MDM_OUTCOMES) }),
  refused(['not_configured', 'bad_secret', 'bad_event']),
]);

const define = methodsOf('trust');
export const trust = {
  enrol: define('enrol', enrol, enrolled),
  renewalNonce: define('renewal-nonce', ofProvider, renewalNonce),
  /**
   * A new token for the leaf of a machine that proves its nkey, also long after the last token
   * expired.
   */
  renew: define('renew', renew, renewed),
  createToken: define('create-token', createToken, tokenCreated),
  /** Whose machine it is; of a machine that nobody claimed, nobody's. */
  owner: define('owner', ofProvider, owned),
  /** The machines of an account. */
  machines: define('machines', ofAccount, machines),
  /** The record of one owner, or of all. */
  owners: define('owners', ownersRequest, owners),
  revoke: define('revoke', ofProvider, providerRevoked),
  /** The problems with the clocks of the network; empty when they agree. */
  clocks: define(
    'clocks',
    nothing,
    Type.Object({ problems: Type.Array(Type.String({ maxLength: 500 }), { maxItems: 8 }) }),
  ),
  /** The verdicts on all machines, in the order of their ids. */
  verdicts: define('verdicts', verdictsRequest, verdicts),
  /** The newest of one machine. */
  evidence: define('evidence', ofProvider, evidence),
  /** With which it showed itself last, whether it is trusted now or not. */
  signingKey: define('signing-key', ofProvider, signingKey),
  /** Of all that are verified now, by their ids. */
  attestation: define('attestation', verdictsRequest, attestation),
  /** Which device a machine is, by the operator's word. */
  assignDevice: define('assign-device', assignDevice, deviceAssigned),
  /** The MDM server tells something of a device. */
  mdmEvent: define('mdm-event', mdmEvent, mdmEventTaken),
  /** It may show itself anew; one that was removed counts against its owner no longer. */
  pardon: define('pardon', ofProvider, pardoned),
  /** It was caught serving another model than it says. */
  accuse: define('accuse', ofProvider, accused),
  /** Its canaries have passed: its probation is over. */
  prove: define('prove', ofProvider, proven),
} as const;
