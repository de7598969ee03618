import { AccountId, JobId, KeyId } from '../../ids.ts';
import { PrintedReceipt } from '../../receipts/printed-receipt.ts';
import { nothing, optional } from '../../schema-parts.ts';
import { Type } from '../../type.ts';
import { methodsOf, ok, refused } from '../service-method.ts';

/** With `key`, only a job of this key is found. */
const ofJob = Type.Object({ account: AccountId, key: optional(KeyId), job: JobId });
/**
 * `unsigned`: no provider has signed a receipt for the job yet. `forged`: the signature does not
 * match the work.
 */
const receipt = Type.Union([
  ok({ receipt: PrintedReceipt }),
  refused(['unknown_job', 'unsigned', 'forged']),
]);
/** Public keys in hexadecimal; the key that signs now comes first. */
const receiptKeys = Type.Object({
  keys: Type.Array(PrintedReceipt.properties.coordinator_key, { maxItems: 1_000 }),
});

const define = methodsOf('settlement');

/** Requests about countersigned receipts. */
export const receiptsMethods = {
  receipt: define('receipt', ofJob, receipt),
  receiptKeys: define('receipt-keys', nothing, receiptKeys),
} as const;
