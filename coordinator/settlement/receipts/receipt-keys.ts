import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ed25519Signer, hex, newEd25519Key, type Signer } from '#bus-schemas';
import { readOrCreate } from '#bus-schemas/saved-file.ts';
import { FIRST_RECEIPT_KEY, RECEIPT_KEYS } from '#coordinator/founding/operator-home.ts';
import { receiptKeyFiles } from '#coordinator/founding/receipt-key-files.ts';

/**
 * All keys that ever signed receipts, from the operator's folder. The key whose file name sorts
 * last signs. `dinf network rotate receipts` adds a key; settlement uses it from its next start.
 */
export class ReceiptKeys {
  readonly #signers: readonly [Signer, ...Signer[]];

  private constructor(signers: readonly [Signer, ...Signer[]]) {
    this.#signers = signers;
  }

  static async open(keysFolder: string): Promise<ReceiptKeys> {
    const folder = join(keysFolder, RECEIPT_KEYS);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if ((await receiptKeyFiles(folder)).length === 0)
      await readOrCreate(join(folder, FIRST_RECEIPT_KEY), async () => newEd25519Key());
    const signers = await Promise.all(
      (await receiptKeyFiles(folder)).map(async (name) =>
        ed25519Signer(await readFile(join(folder, name), 'utf8')),
      ),
    );
    return new ReceiptKeys(signers as [Signer, ...Signer[]]);
  }

  get current(): Signer {
    return this.#signers[0];
  }

  /** Returns the public keys as hexadecimal text; the key that signs now comes first. */
  publicKeys(): string[] {
    return this.#signers.map(({ publicKey }) => hex(publicKey));
  }
}
