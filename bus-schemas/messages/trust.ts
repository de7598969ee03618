import { Hash, X25519Key } from '../bytes.ts';
import { Bytes, defineMessage } from '../codec.ts';
import { Evidence, NONCE_BYTES, WeightsDigest } from '../evidence/evidence.ts';
import { AccountId, ProviderId } from '../ids.ts';
import { P256_KEY_BYTES } from '../receipts/signed-by.ts';
import { At, count, nothing, optional, signed } from '../schema-parts.ts';
import { type Static, Type } from '../type.ts';
import { methodsOf, ok, refused } from './service-method.ts';
import { MACHINE_PAUSES, MachinePause, Standing, TrustFault, TrustLevel } from './vocabulary.ts';

/** Messages about membership in the network, and about the evidence and standing of machines. */

// between a machine and us

/** Asks a machine for evidence that contains this nonce. */
export const Challenge = defineMessage(
  'challenge',
  Type.Object({ nonce: Bytes({ min: NONCE_BYTES, max: NONCE_BYTES }) }),
);

const trustMessage = Type.Union([
  /** The machine asks for a challenge, because it wants to serve with this sealing key. */
  Type.Object({ t: Type.Literal('ask'), sealingKey: X25519Key }),
  Type.Object({ t: Type.Literal('evidence'), evidence: Evidence }),
]);
export type TrustMessage = Static<typeof trustMessage>;
/** A machine's message to trust. */
export const TrustMessage = defineMessage('trust', trustMessage);

const judgement = Type.Object({
  standing: Standing,
  level: TrustLevel,
  fault: optional(TrustFault),
  sealingKey: optional(X25519Key),
});
export type Judgement = Static<typeof judgement>;
/** The result of a challenge, sent to the machine itself. */
export const Judgement = defineMessage('judgement', judgement);

/** The state of a machine in trust, published for all components. */
const Verdict = Type.Object({
  provider: ProviderId,
  /**
   * Increases with each change. Receivers ignore a verdict with a lower revision than the last one.
   */
  revision: count,
  standing: Standing,
  level: TrustLevel,
  fault: optional(TrustFault),
  sealingKey: optional(X25519Key),
  signingKey: optional(Bytes({ min: P256_KEY_BYTES, max: P256_KEY_BYTES })),
  codeHash: optional(Hash),
  /**
   * Attested digests of the machine's builds. Nothing is proven about a build that is missing here.
   */
  weights: optional(Type.Array(WeightsDigest, { maxItems: 64 })),
  /**
   * A person linked the machine and its canaries have not passed yet. It gets a small share of the
   * requests.
   */
  probation: optional(Type.Boolean()),
  /** Why the machine gets no jobs although it is verified; absent if nothing keeps it from them. */
  pauses: optional(Type.Array(MachinePause, { maxItems: MACHINE_PAUSES.length })),
  /** The verdict is valid until this time, by the clock of trust. */
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
 * Reasons to refuse a renewal. `stale_nonce` also covers a nonce that was made for another machine
 * or by another coordinator.
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
  /**
   * Ed25519 signature over `renewalText` or `earningsText`, made with the machine's own nkey. The
   * texts differ, so that a signature for one purpose is of no use for the other.
   */
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
const readerProved = Type.Union([ok({}), refused([...RENEWAL_REFUSALS])]);
const ofProvider = Type.Object({ provider: ProviderId });
const owned = Type.Object({ account: optional(AccountId) });
const ofAccount = Type.Object({ account: AccountId });
// names on the public leaderboard

/**
 * ASCII letters and digits with single separators between them. Other alphabets have letters that
 * look like Latin ones, and invisible or right-to-left characters could change what is read.
 */
export const PublicName = Type.String({
  minLength: 2,
  maxLength: 40,
  pattern: '^[A-Za-z0-9]+([ ._-][A-Za-z0-9]+)*$',
});
/** Machines that can show a name at the same time, so that their list fits into one message. */
export const MAX_PUBLIC_NAMES = 2_000;
/** One owner cannot fill the list. */
export const MAX_PUBLIC_NAMES_OF_ACCOUNT = 20;
const ofOwnMachine = { provider: ProviderId, account: AccountId };
const nameShown = Type.Union([
  ok({}),
  refused(['unknown_machine', 'taken', 'reserved', 'withdrawn', 'too_many', 'full']),
]);
export type NameShown = Static<typeof nameShown>;
const publicNames = Type.Object({
  machines: Type.Array(Type.Object({ provider: ProviderId, name: PublicName }), {
    maxItems: MAX_PUBLIC_NAMES,
  }),
});
const withdrawName = Type.Object({
  name: PublicName,
  /** For the audit log of commands; trust does not store it. */
  reason: optional(Type.String({ minLength: 1, maxLength: 200 })),
});
const withdrawnNames = Type.Object({
  machines: Type.Array(
    /** The name as names are compared: small letters and digits without separators. */
    Type.Object({ provider: ProviderId, shape: Type.String({ maxLength: 40 }) }),
    { maxItems: MAX_PUBLIC_NAMES },
  ),
});
const clocksReported = Type.Object({
  problems: Type.Array(Type.String({ maxLength: 500 }), { maxItems: 8 }),
  /** The clock of each problem, in the same order, for readers that write the problem themselves. */
  clocks: optional(
    Type.Array(
      Type.Object({
        clock: Type.Enum(['trust', 'hub', 'database', 'machines']),
        /** Time of that clock minus the time of the others, in milliseconds. */
        offsetMs: signed,
      }),
      { maxItems: 8 },
    ),
  ),
});
const known = Type.Object({ known: Type.Boolean() });

/** Machines of one account in a list: the reply stays below the largest message of the bus. */
export const MAX_OWN_MACHINES = 2_500;
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
      /** Its name on the public leaderboard; absent if it is not shown there. */
      publicName: optional(PublicName),
    }),
    { maxItems: MAX_OWN_MACHINES },
  ),
});
/** Machines in one reply to `standings`. */
export const MAX_STANDINGS = 500;
const standingsRequest = Type.Object({
  providers: Type.Array(ProviderId, { maxItems: MAX_STANDINGS }),
});
/** What rewards depend on. */
const machineStanding = Type.Object({
  provider: ProviderId,
  account: optional(AccountId),
  linkedAt: At,
  /** `none` for a machine without valid evidence. */
  level: TrustLevel,
  /** Removed, caught, or of a suspended account. */
  isExcluded: Type.Boolean(),
  /** Another machine that was linked earlier is the same device. */
  sharesComputer: Type.Boolean(),
});
export type MachineStanding = Static<typeof machineStanding>;
const standings = Type.Object({
  /** Without machines that are not known. */
  machines: Type.Array(machineStanding, { maxItems: MAX_STANDINGS }),
});
const createToken = Type.Object({ account: optional(AccountId), lifetimeMs: count });
const tokenCreated = Type.Object({ token: Type.String(), expiresAt: At });
/** History of an account's machines, for operators. */
const OwnerRecord = Type.Object({
  account: AccountId,
  machines: count,
  removed: count,
  linkedLastDay: count,
  /**
   * Machines that were caught and not pardoned. While there is one, the account cannot link another
   * machine.
   */
  caught: count,
});
const ownersRequest = Type.Object({ account: optional(AccountId) });
const owners = Type.Object({ owners: Type.Array(OwnerRecord, { maxItems: 1_000 }) });
const providerRevoked = Type.Object({ revoked: Type.Boolean() });

// verdicts

const verdictsRequest = Type.Object({
  /** The last provider of the previous page. */
  after: optional(ProviderId),
  limit: Type.Integer({ minimum: 1, maximum: 1_000 }),
});
const verdicts = Type.Object({ verdicts: Type.Array(Verdict, { maxItems: 1_000 }) });
/** `none`: there is no evidence that is valid now. */
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
const drain = Type.Object({ provider: ProviderId, isDrained: Type.Boolean() });
const drained = Type.Object({ known: Type.Boolean() });
const accused = Type.Object({ accused: Type.Boolean() });
const proven = Type.Object({ proven: Type.Boolean() });

// devices

const assignDevice = Type.Object({
  provider: ProviderId,
  serial: Type.String({ minLength: 5, maxLength: 32 }),
});
const deviceAssigned = Type.Object({ assigned: Type.Boolean() });
/** An event as the MDM server sent it, with the secret that its webhook was configured with. */
const mdmEvent = Type.Object({
  body: Bytes({ min: 1, max: 256 * 1_024 }),
  secret: Type.String({ maxLength: 256 }),
});
/**
 * Results of an MDM event. `kept`: the attestation was stored. `not_asked`: the event answers no
 * open request. After the other results trust asks the device again later.
 */
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

/** What each hub reports about itself. */
const Hub = Type.Object({
  name: Type.String({ maxLength: 128 }),
  version: Type.String({ maxLength: 32 }),
  startedAt: At,
  /** Connections of components and tools. */
  connections: count,
  /** Connections of the leaves of machines. */
  leaves: count,
  /** Connections that the hub closed because they read too slowly. */
  slowConsumers: count,
  memoryBytes: count,
});
export type Hub = Static<typeof Hub>;
export const MAX_HUBS = 32;

const define = methodsOf('trust');
export const trust = {
  enrol: define('enrol', enrol, enrolled),
  renewalNonce: define('renewal-nonce', ofProvider, renewalNonce),
  /**
   * Returns a new token for the leaf of a machine that proves its nkey, even long after the last
   * token has expired.
   */
  renew: define('renew', renew, renewed),
  /** Checks that a machine itself asks for its earnings: a signature over `earningsText`. */
  proveReader: define('prove-reader', renew, readerProved),
  createToken: define('create-token', createToken, tokenCreated),
  /** Returns the account that owns the machine, if there is one. */
  owner: define('owner', ofProvider, owned),
  /** Returns the machines of an account. */
  machines: define('machines', ofAccount, machines),
  /** Returns owner, age and trust of these machines. */
  standings: define('standings', standingsRequest, standings),
  /** Returns the history of one owner, or of all owners. */
  owners: define('owners', ownersRequest, owners),
  /** Shows a machine on the public leaderboard under this name. */
  showName: define('show-name', Type.Object({ ...ofOwnMachine, name: PublicName }), nameShown),
  /** Takes a machine off the public leaderboard. */
  hideName: define('hide-name', Type.Object(ofOwnMachine), known),
  /** Returns the machines that show a name. */
  publicNames: define('public-names', nothing, publicNames),
  /** Takes a name away from the machine that has it, and refuses further ones of its account. */
  withdrawName: define(
    'withdraw-name',
    withdrawName,
    Type.Object({ provider: optional(ProviderId) }),
  ),
  /** Returns the machines whose names were withdrawn, for operators. */
  withdrawnNames: define('withdrawn-names', nothing, withdrawnNames),
  /** Lets the account of a machine take names again. */
  allowName: define('allow-name', ofProvider, known),
  revoke: define('revoke', ofProvider, providerRevoked),
  /** Returns the problems with the clocks of the network; an empty list if they agree. */
  clocks: define('clocks', nothing, clocksReported),
  /** Returns the hubs that answer now. */
  hubs: define('hubs', nothing, Type.Object({ hubs: Type.Array(Hub, { maxItems: MAX_HUBS }) })),
  /** Returns the verdicts on all machines, ordered by their ids. */
  verdicts: define('verdicts', verdictsRequest, verdicts),
  /** Returns the newest valid evidence of one machine. */
  evidence: define('evidence', ofProvider, evidence),
  /** Returns the last signing key that the machine proved, even if it is no longer trusted. */
  signingKey: define('signing-key', ofProvider, signingKey),
  /** Returns the evidence of all machines that are verified now, ordered by their ids. */
  attestation: define('attestation', verdictsRequest, attestation),
  /** Records which Apple device a machine is. The operator vouches for this. */
  assignDevice: define('assign-device', assignDevice, deviceAssigned),
  /** Receives an event of the MDM server about a device. */
  mdmEvent: define('mdm-event', mdmEvent, mdmEventTaken),
  /**
   * Pardons a machine, so that it can be verified again. If its owner removed it, it no longer
   * counts against the owner.
   */
  pardon: define('pardon', ofProvider, pardoned),
  /**
   * Keeps jobs away from a machine, or ends this. The jobs that it has are finished. `known` is
   * false if there is no such machine or if it was removed.
   */
  drain: define('drain', drain, drained),
  /** Reports that the machine served another model than it announced. */
  accuse: define('accuse', ofProvider, accused),
  /** Ends the probation of a machine, because its canaries have passed. */
  prove: define('prove', ofProvider, proven),
} as const;
