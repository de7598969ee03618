import { checkerOf, hmacSha256, secretKey, sha256 } from '#bus-schemas/platform.ts';
import { fromHex, HASH_BYTES, Hex, hex } from '../bytes.ts';
import { AttemptNumber, BuildId, JobId, ModelName, ProviderId } from '../ids.ts';
import { Finish } from '../messages/vocabulary.ts';
import { type Static, Type } from '../type.ts';
import { MAX_GROUP, MAX_GROUP_PROOF, packPlace, unpackPlace } from './group-place.ts';
import { isWorkSigned } from './receipt-signature.ts';
import {
  type ProviderSignature,
  type Settled,
  settledText,
  type WorkDone,
} from './receipt-texts.ts';
import {
  ED25519_KEY_BYTES,
  ED25519_SIGNATURE_BYTES,
  isSignedByEd25519,
  P256_KEY_BYTES,
  P256_SIGNATURE_BYTES,
} from './signed-by.ts';

/** A receipt as JSON for people, with bytes in hexadecimal. */

const count = (description: string) =>
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description });

const PrintedPlace = Type.Object(
  {
    index: Type.Integer({ minimum: 0, maximum: MAX_GROUP - 1 }),
    size: Type.Integer({ minimum: 2, maximum: MAX_GROUP, description: 'Receipts in the group.' }),
    proof: Type.Array(Hex(HASH_BYTES), { minItems: 1, maxItems: MAX_GROUP_PROOF }),
  },
  {
    description:
      'Present if `signature` covers the root of a tree (RFC 6962) of several receipts: the place of this one, and the hashes that lead from it to the root.',
  },
);

export const PrintedReceipt = Type.Object({
  object: Type.Literal('receipt'),
  version: Type.Optional(
    Type.Literal(2, { description: 'Absent if the hashes are plain SHA-256.' }),
  ),
  job: JobId,
  attempt: AttemptNumber,
  provider: ProviderId,
  model: ModelName,
  build: BuildId,
  usage: Type.Object({
    prompt_tokens: count('Tokens of the whole prompt.'),
    cached_tokens: count('Prompt tokens that the provider had in its cache.'),
    completion_tokens: count('Tokens of the answer.'),
  }),
  continued_tokens: Type.Optional(
    count('Tokens of the answer that another machine wrote before, and this one continued.'),
  ),
  finish: Finish,
  request_hash: Hex(HASH_BYTES, {
    description: 'HMAC-SHA-256, with the salt, of the request that the provider received.',
  }),
  response_hash: Hex(HASH_BYTES, {
    description:
      'HMAC-SHA-256, with the salt, of the text that the provider generated until the answer ended.',
  }),
  signing_key: Hex(P256_KEY_BYTES, { description: 'Public key of the provider (P-256).' }),
  signature: Hex(P256_SIGNATURE_BYTES, { description: 'Signature of the provider over the work.' }),
  group: Type.Optional(PrintedPlace),
  prices: Type.Object({
    input: count('Micro-dollars for a million prompt tokens.'),
    cache_read: count('Micro-dollars for a million cached prompt tokens.'),
    output: count('Micro-dollars for a million answer tokens.'),
  }),
  charged_micro_usd: count('Charge for the job, in micro-dollars.'),
  settled_at: count('Time of the charge, in milliseconds since 1970.'),
  coordinator_key: Hex(ED25519_KEY_BYTES, {
    description: 'Public key of the coordinator (Ed25519).',
  }),
  countersignature: Hex(ED25519_SIGNATURE_BYTES, {
    description: 'Signature of the coordinator over the work, its signature and the price.',
  }),
});
export type PrintedReceipt = Static<typeof PrintedReceipt>;
const shape = checkerOf(PrintedReceipt);

export interface SettledReceipt {
  readonly work: WorkDone;
  readonly by: ProviderSignature;
  readonly settled: Settled;
  readonly coordinatorKey: Uint8Array;
  readonly countersignature: Uint8Array;
}

export function printReceipt({
  work,
  by,
  settled,
  coordinatorKey,
  countersignature,
}: SettledReceipt): PrintedReceipt {
  const { usage } = work;
  const { prices } = settled;
  return {
    object: 'receipt',
    ...(work.version && { version: work.version }),
    job: work.job,
    attempt: work.attempt,
    provider: settled.provider,
    model: settled.model,
    build: work.build,
    usage: {
      prompt_tokens: usage.promptTokens,
      cached_tokens: usage.cachedTokens,
      completion_tokens: usage.completionTokens,
    },
    ...(work.continuedTokens && { continued_tokens: work.continuedTokens }),
    finish: work.finish,
    request_hash: hex(work.requestHash),
    response_hash: hex(work.responseHash),
    signing_key: hex(by.signingKey),
    signature: hex(by.signature),
    ...printPlace(by),
    prices: { input: prices.input, cache_read: prices.cacheRead, output: prices.output },
    charged_micro_usd: settled.chargedMicroUsd,
    settled_at: settled.settledAt,
    coordinator_key: hex(coordinatorKey),
    countersignature: hex(countersignature),
  };
}

function printPlace({ group }: ProviderSignature): Pick<PrintedReceipt, 'group'> {
  const place = group && unpackPlace(group);
  return place ? { group: { ...place, proof: place.proof.map(hex) } } : {};
}

/**
 * Returns the fault of a receipt, or undefined if both signatures are valid. The caller must check
 * separately that `coordinator_key` is the key of the coordinator.
 */
export function faultOfReceipt(printed: unknown): string | undefined {
  if (!shape.Check(printed)) return 'the file is not a receipt';
  const { work, by, settled, coordinatorKey, countersignature } = read(printed);
  if (!isWorkSigned(work, by)) return 'the signature of the provider does not match the receipt';
  if (!isSignedByEd25519(coordinatorKey, settledText(work, by, settled), countersignature))
    return 'the signature of the coordinator does not match the receipt';
  return undefined;
}

/**
 * Returns true if the receipt is for this answer. From version 2 on, this needs the salt of the
 * answer.
 */
export function isReceiptFor(
  printed: PrintedReceipt,
  answer: Uint8Array,
  salt?: Uint8Array,
): boolean {
  if (printed.version === undefined) return hex(sha256(answer)) === printed.response_hash;
  return salt !== undefined && hex(hmacSha256(secretKey(salt), answer)) === printed.response_hash;
}

function read(printed: PrintedReceipt): SettledReceipt {
  const { version, job, attempt, build, finish, usage, provider, model, prices } = printed;
  const { continued_tokens: continuedTokens, group } = printed;
  return {
    work: {
      ...(version && { version }),
      job,
      attempt,
      build,
      finish,
      usage: {
        promptTokens: usage.prompt_tokens,
        cachedTokens: usage.cached_tokens,
        completionTokens: usage.completion_tokens,
      },
      ...(continuedTokens && { continuedTokens }),
      requestHash: fromHex(printed.request_hash),
      responseHash: fromHex(printed.response_hash),
    },
    by: {
      signingKey: fromHex(printed.signing_key),
      signature: fromHex(printed.signature),
      ...(group && { group: packPlace({ ...group, proof: group.proof.map(fromHex) }) }),
    },
    settled: {
      provider,
      model,
      chargedMicroUsd: printed.charged_micro_usd,
      settledAt: printed.settled_at,
      prices: { input: prices.input, cacheRead: prices.cache_read, output: prices.output },
    },
    coordinatorKey: fromHex(printed.coordinator_key),
    countersignature: fromHex(printed.countersignature),
  };
}
