import { hex } from '../bytes.ts';
import { LruMap } from '../lru-map.ts';
import type { Receipt } from '../messages/provider.ts';
import { leafHash, proofsIn, rootOfInclusion } from '../transparency/merkle.ts';
import { packPlace, unpackPlace } from './group-place.ts';
import { groupText, type ProviderSignature, type WorkDone, workText } from './receipt-texts.ts';
import { isSignedByP256, type Signer } from './signed-by.ts';

/**
 * Signatures of machines under receipts. A receipt alone is signed as it is. Several that are ready
 * together are the leaves of a tree (RFC 6962), and one signature covers its root and its size. Each
 * of them carries that signature and its place in the tree, so everyone can check it without the
 * others.
 *
 * A place shows hashes of other customers' receipts. They confirm no guess of what such a receipt
 * says: it contains two HMACs with a random key of 32 bytes that only its own customer, the ingress
 * and the machine have. The hashes in receipts of version 1 have no key, so these are never signed as
 * a group.
 */

/** Signs receipts of version 2 with one signature: at most MAX_GROUP, at least one. */
export function signTogether<Unsigned extends WorkDone & { readonly version: 2 }>(
  receipts: readonly Unsigned[],
  signer: Signer,
): (Unsigned & ProviderSignature)[] {
  const { publicKey: signingKey } = signer;
  const [first, ...others] = receipts;
  if (first !== undefined && others.length === 0)
    return [{ ...first, signature: signer.sign(workText(first)), signingKey }];
  const { root, proofs } = proofsIn(receipts.map((receipt) => leafHash(workText(receipt))));
  const size = receipts.length;
  const signature = signer.sign(groupText({ size, root }));
  return receipts.map((receipt, index) => {
    const group = packPlace({ index, size, proof: proofs[index] ?? [] });
    return { ...receipt, signature, signingKey, group };
  });
}

/**
 * Returns true if the work is signed with the key that the signature names. The caller must check
 * separately to which provider this key belongs. One call computes at most MAX_GROUP_PROOF + 1
 * hashes and checks one signature, whatever the provider has sent.
 */
export function isWorkSigned(work: WorkDone, by: ProviderSignature): boolean {
  if (by.group === undefined) return isSignedByP256(by.signingKey, workText(work), by.signature);
  const place = unpackPlace(by.group);
  if (place === undefined) return false;
  const root = rootOfInclusion(leafHash(workText(work)), place, place.proof);
  return root !== undefined && isRootSigned({ root, size: place.size }, by);
}

export function isSignedReceipt({ signature, signingKey, group, ...work }: Receipt): boolean {
  if (signature === undefined || signingKey === undefined) return false;
  return isWorkSigned(work, { signature, signingKey, ...(group && { group }) });
}

/**
 * Maximum number of groups whose valid signature is remembered. The receipts of one group arrive
 * together, so few are needed at a time.
 */
const MAX_ROOTS = 1_024;
/**
 * Only valid signatures are remembered, under everything that they cover. A machine that pushes the
 * others out with groups of its own causes one check for each of them, as without the memory.
 */
const signedRoots = new LruMap<string, true>(MAX_ROOTS);

function isRootSigned(
  { root, size }: { root: Uint8Array; size: number },
  { signature, signingKey }: ProviderSignature,
): boolean {
  const name = `${size} ${hex(root)} ${hex(signingKey)} ${hex(signature)}`;
  if (signedRoots.get(name)) return true;
  if (!isSignedByP256(signingKey, groupText({ size, root }), signature)) return false;
  signedRoots.set(name, true);
  return true;
}
