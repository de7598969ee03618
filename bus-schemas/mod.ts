/**
 * Messages between the parts of the system, and their encoding. Every other folder may import this
 * one; this one imports no other.
 */

export {
  credentialsLifetime,
  earningsText,
  isReadOnly,
  isSigningKey,
  mintCredentials,
  mintOperator,
  mintOwnAccounts,
  mintProviderAccount,
  mintProviderUser,
  type OperatorJwts,
  type OperatorKeys,
  type OwnAccount,
  providerCredentials,
  type RevokedUsers,
  renewalText,
  signingKeysOf,
  userOf,
} from './accounts/jwts.ts';
export { isNkeySigned, Nkey } from './accounts/nkey.ts';
export { credentialsAuthenticator } from './accounts/tokens.ts';
export { demandTls, isLoopback } from './addresses.ts';
export { allEnded } from './all-ended.ts';
export { REPORTED_PER_COUNTED, UNSEEN_TOKENS } from './billing-tolerance.ts';
export {
  fromHex,
  HASH_BYTES,
  Hex,
  hex,
  isSame,
  RECEIPT_SALT_BYTES,
  X25519_KEY_BYTES,
} from './bytes.ts';
export { BEST_CHIP, type ChipFigures, chipFigures, chipKind } from './chips.ts';
export {
  Bytes,
  CodecError,
  type CodecErrorCode,
  decodeUnchecked,
  defineMessage,
  MAX_MESSAGE_BYTES,
  type MessageKind,
  type MessageOf,
} from './codec.ts';
export { connectToServer } from './connect.ts';
export {
  type EncodingResults,
  MAX_RESULT_CHARACTERS,
  ResultReader,
} from './encoding-results.ts';
export { isSignedByBusKey } from './evidence/bus-key-signature.ts';
export { codeHash } from './evidence/code-hash.ts';
export {
  Evidence,
  isEvidenceSigned,
  NONCE_BYTES,
  type Posture,
  signEvidence,
  type WeightsDigest,
} from './evidence/evidence.ts';
export { trustFaultTexts } from './evidence/fault-texts.ts';
export {
  PrintedEvidence,
  printEvidence,
  readPrintedEvidence,
} from './evidence/printed-evidence.ts';
export { isSafeHub, MINIMUM_NATS_SERVER } from './hub-version.ts';
export * from './ids.ts';
export * from './key-limits.ts';
export { LruMap } from './lru-map.ts';
export {
  type AccountRecord,
  type AccountRecordReply,
  MAX_FOUND_ACCOUNTS,
} from './messages/account-records.ts';
export type {
  Authenticated,
  Claimed,
  KeyRecord,
  KeySettings,
  LinkPurpose,
  Take,
  Taken,
} from './messages/accounts.ts';
export {
  BATCH_ENDS,
  BATCH_STATUSES,
  type BatchRecord,
  isBatchId,
  MAX_BATCH_BYTES,
  MAX_BATCH_LINES,
  MAX_BATCH_PAGE,
} from './messages/batches.ts';
export type { CatalogModel, CatalogSnapshot, ModelPrice, NewModel } from './messages/catalog.ts';
export { CellDigest, FIRST_CELL, LeaseMessage, MAX_CELLS } from './messages/cells.ts';
export { type ChoiceReason, RoutedBecause } from './messages/choice-reason.ts';
export {
  type Conditions,
  THERMAL_STATES,
  type ThermalState,
} from './messages/conditions.ts';
export { type ConsoleSession, MAX_CONSOLE_SESSIONS } from './messages/console-sessions.ts';
export * from './messages/demand.ts';
export * from './messages/desired.ts';
export * from './messages/encoding.ts';
export * from './messages/events.ts';
export { type GateName, gates } from './messages/gates.ts';
export * from './messages/inference.ts';
export * from './messages/machine-faults.ts';
export * from './messages/orders.ts';
export {
  attemptOutcome,
  FINISH_FAILURES,
  type Outcome,
  REFUSAL_ABOUTS,
  type RefusalAbout,
  type RefusalContext,
} from './messages/outcomes.ts';
export {
  MAX_ANNOUNCED_PREFIXES,
  MAX_HELD_PREFIXES,
  PrefixTag,
  prefixTagOf,
} from './messages/prefix-tag.ts';
export * from './messages/provider.ts';
export type { RateLimits } from './messages/rate-limits.ts';
export { inCell, type ServiceMethod } from './messages/service-method.ts';
export type {
  Candidate,
  Preferences,
  Prefix,
  PriceTerms,
  Reserve,
  Reserved,
  RoutingRefusal,
  RoutingSwitches,
  TokenPrice,
} from './messages/services.ts';
export * as services from './messages/services.ts';
export type { Verified } from './messages/settlement/books.ts';
export type { StripeConnection } from './messages/settlement/connection.ts';
export {
  type Earnings,
  MAX_EARNING_DAYS,
  MAX_EARNING_JOBS,
  MAX_EARNING_ROWS,
  MAX_MODEL_EARNINGS,
  type MachineEarnings,
  type ModelEarnings,
  SERVED_DAYS,
} from './messages/settlement/earnings.ts';
export {
  type AgreedPrice,
  type Held,
  type Hold,
  type HoldRefusal,
  type KeyShortage,
  MAX_CHOICES,
  type MaxPrice,
  type Topped,
  type TopUp,
} from './messages/settlement/holds.ts';
export type { KeyCaps, KeySpending } from './messages/settlement/key-caps.ts';
export type { OwnPrice, PricedProvider } from './messages/settlement/prices.ts';
export {
  REWARD_REASONS,
  type RewardReason,
  rewardReasonsText,
} from './messages/settlement/reward-reasons.ts';
export {
  MAX_PROMOTIONS,
  MAX_REWARD_DAYS,
  type MachineReward,
  type RewardPolicy,
  type TokenPromotion,
} from './messages/settlement/rewards.ts';
export type { AccountStatement, AccountUsage } from './messages/settlement/statements.ts';
export {
  type Deposit,
  MAX_SHOWN_DEPOSITS,
  type OpenPayouts,
  type Payout,
  type PayoutState,
} from './messages/settlement/stripe.ts';
export {
  isStoredId,
  MAX_LISTED_BYTES,
  MAX_LISTED_PAGE,
  MAX_SEALED_BYTES,
  type StoredPut,
  type StoredRead,
} from './messages/stored-objects.ts';
export type {
  Availability,
  GenerationRecord,
  LostFacts,
  NetworkStats,
} from './messages/telemetry.ts';
export { AVAILABILITY_DAYS, MAX_AVAILABILITY_MODELS } from './messages/telemetry.ts';
export { TrustHead } from './messages/transparency.ts';
export {
  Challenge,
  type Enrolled,
  type Hub,
  Judgement,
  MAX_HUBS,
  MAX_OWN_MACHINES,
  MAX_PUBLIC_NAMES,
  MAX_PUBLIC_NAMES_OF_ACCOUNT,
  MAX_STANDINGS,
  type MachineStanding,
  type NameShown,
  PublicName,
  type Renewed,
  TrustMessage,
  TrustVerdict,
  type Verdict,
} from './messages/trust.ts';
export * from './messages/vocabulary.ts';
export { type ContentDigest, ContentHash } from './receipts/content-hash.ts';
export { MAX_GROUP } from './receipts/group-place.ts';
export {
  faultOfReceipt,
  isReceiptFor,
  PrintedReceipt,
  printReceipt,
} from './receipts/printed-receipt.ts';
export { isSignedReceipt, isWorkSigned, signTogether } from './receipts/receipt-signature.ts';
export {
  type ProviderSignature,
  type Settled,
  settledText,
  type WorkDone,
  workText,
} from './receipts/receipt-texts.ts';
export {
  ed25519Signer,
  newEd25519Key,
  newP256Key,
  p256Signer,
} from './receipts/signatures.ts';
export {
  ED25519_SIGNATURE_BYTES,
  isSignedByP256,
  P256_KEY_BYTES,
  type Signer,
} from './receipts/signed-by.ts';
export { scoreLine, vectorLine } from './result-lines.ts';
export {
  type JobName,
  JobSeals,
  SEAL_OVERHEAD_BYTES,
  SealError,
  type SealErrorCode,
} from './sealing/job-seals.ts';
export { RelayRecipient } from './sealing/relay-recipient.ts';
export { RelaySenders } from './sealing/relay-senders.ts';
export { generateSealingKeyPair, keyIdOf, type SealingKeyPair, SUITE_ID } from './sealing/suite.ts';
export {
  consumers,
  DUPLICATE_WINDOW_MS,
  type DurableConsumer,
  type EventStream,
  eventStreams,
  retiredConsumers,
  streamOf,
} from './streams.ts';
export {
  type ComponentName,
  core,
  DOWN_KINDS,
  type DownKind,
  type EventSubject,
  events,
  everyEvent,
  parseFrameSubject,
  provider as providerSubjects,
  providerOf,
  UP_KINDS,
  type UpKind,
} from './subjects.ts';
export { BYTES_PER_TOKEN } from './token-estimate.ts';
export { type Arrival, parseArrival } from './trace.ts';
export {
  isHeadSigned,
  keyEntry,
  modelEntry,
  releaseEntry,
  signHead,
  TreeHead,
  verdictEntry,
} from './transparency/log-entries.ts';
export {
  isSuccessionSigned,
  LogKeySuccession,
  signSuccession,
  successionEntry,
} from './transparency/log-keys.ts';
export {
  EMPTY_ROOT,
  isConsistent,
  leafHash,
  nodeHash,
  rootOfInclusion,
  type Tree,
} from './transparency/merkle.ts';
