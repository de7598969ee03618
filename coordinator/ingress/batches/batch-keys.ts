import { hashOf } from '#coordinator/secrets.ts';
import { type ContentKeys, callerKeys, KEY_BYTES, open, seal } from '../caller-cipher.ts';
import { listPurpose, storedPurpose } from '../stored/stored-contents.ts';
import { LISTED_AS } from '../stored/stored-files.ts';

/** The objects that the run of a batch reads or writes. */
export interface BatchObjects {
  readonly batch: string;
  readonly input: string;
  readonly output: string;
  readonly errors: string;
}

/** What an ingress needs to run a batch while its caller is away. It does not have the API key. */
export interface BatchKeys extends ContentKeys {
  /** Finds the API key, so that a batch ends when the key is revoked. */
  readonly keyHash: Uint8Array;
}

/**
 * Derives the keys of a batch from the API key of its caller, and seals them with the key of the
 * ingresses. They open the objects of this batch and no others.
 */
export function sealBatchKeys(
  owner: { readonly account: string; readonly secret: string },
  objects: BatchObjects,
  ingressKey: Buffer,
): Buffer {
  const { account, secret } = owner;
  const { keyOf } = callerKeys(owner);
  const purposes = [...Object.values(objects).map(storedPurpose), listPurpose(LISTED_AS)];
  const keys = purposes.map((purpose) => [purpose, keyOf(purpose).toString('base64')]);
  const text = JSON.stringify([Buffer.from(hashOf(secret)).toString('base64'), keys]);
  return seal(ingressKey, text, placeOf(account, objects.batch));
}

/** Throws if the keys were sealed for another batch, or with credentials that were replaced. */
export function openBatchKeys(
  { account, id, sealed }: { account: string; id: string; sealed: Uint8Array },
  ingressKey: Buffer,
): BatchKeys {
  const text = open(ingressKey, Buffer.from(sealed), placeOf(account, id)).toString();
  const [keyHash, entries] = JSON.parse(text) as [string, [string, string][]];
  const keys = new Map(entries.map(([purpose, key]) => [purpose, Buffer.from(key, 'base64')]));
  return {
    account,
    keyHash: Buffer.from(keyHash, 'base64'),
    keyOf: (purpose) => {
      const key = keys.get(purpose);
      if (key?.length !== KEY_BYTES) throw new TypeError('a batch has no key for this object');
      return key;
    },
  };
}

/** Keys in the row of another batch cannot be opened. */
const placeOf = (account: string, batch: string): string => `${account} ${batch}`;
