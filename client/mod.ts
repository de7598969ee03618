/**
 * The client library for blind mode, in which the coordinator cannot read requests, and the checks
 * of receipts.
 */
export { faultOfReceipt, isReceiptFor, type PrintedReceipt } from '#bus-schemas/customer.ts';
export { LogView, type PrintedHead } from './log-view.ts';
export { Offer } from './offer-check.ts';
export {
  type Place,
  type SealableRequest,
  type Sealed,
  SealedClient,
  type SealedClientOptions,
  type SealedEvent,
  type SealedServing,
  type SealedWish,
} from './sealed-client.ts';
export { encodeSealed, type OpenedEncoding, type SealedEncoding } from './sealed-encoding.ts';
export { SealedError } from './sealed-error.ts';
