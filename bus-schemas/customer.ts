/**
 * What a customer's client needs of this folder to seal requests and to check machines. Everything
 * in it runs in Node and in a browser: it imports no `node:` module, except through
 * `#bus-schemas/platform.ts`.
 */

export { fromHex, HASH_BYTES, Hex, hex, isSame, X25519_KEY_BYTES } from './bytes.ts';
export { CodecError } from './codec.ts';
export { type EncodingResults, ResultReader } from './encoding-results.ts';
export { type Evidence, isEvidenceSigned } from './evidence/evidence.ts';
export { PrintedEvidence, readPrintedEvidence } from './evidence/printed-evidence.ts';
export { JobId } from './ids.ts';
export { LruMap } from './lru-map.ts';
export {
  ADDED_TOKENS,
  EncodingRequest,
  type EncodingTask,
  resultsOf,
  wantedResults,
} from './messages/encoding.ts';
export {
  type Delta,
  FrameContent,
  type InferenceEnd,
  type InferenceEvent,
  InferenceRequest,
} from './messages/inference.ts';
export { Finish, TRUST_LEVELS, type Trait, TrustLevel, Usage } from './messages/vocabulary.ts';
export { faultOfReceipt, isReceiptFor, type PrintedReceipt } from './receipts/printed-receipt.ts';
export { ED25519_SIGNATURE_BYTES } from './receipts/signed-by.ts';
export { type JobSeals, SealError } from './sealing/job-seals.ts';
export { RelaySenders } from './sealing/relay-senders.ts';
export { SUITE_ID } from './sealing/suite.ts';
export {
  isHeadSigned,
  modelEntry,
  releaseEntry,
  type TreeHead,
  verdictEntry,
} from './transparency/log-entries.ts';
export {
  isSuccessionSigned,
  type LogKeySuccession,
  successionEntry,
} from './transparency/log-keys.ts';
export { isConsistent, leafHash, rootOfInclusion } from './transparency/merkle.ts';
