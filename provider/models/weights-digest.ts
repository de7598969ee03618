import { createHash, type Hash } from 'node:crypto';
import { MODULE_FOLDER } from './encoders/sentence-modules.ts';
import type { ModelFolder } from './model-folder.ts';

/**
 * The digest covers the files that determine a model's answers. Other files, such as a README, may
 * change without changing the build.
 */
const FILES = /\.(safetensors|json|jinja)$/;
const PIECE_BYTES = 4 * 1024 * 1024;

/**
 * Returns the SHA-256 over the names and digests of a build's files, sorted by name. Two folders
 * with the same files have the same digest, independent of their paths.
 */
export async function weightsDigest(folder: ModelFolder): Promise<Uint8Array> {
  const names = await folder.names();
  const all = createHash('sha256').update('d-inference weights 1\n');
  for (const name of names.filter((each) => FILES.test(each)))
    all.update(`${await digestOf(folder, name)} ${name}\n`);
  // Other pooling, or another dense layer after it, gives other vectors with the same weights.
  for (const name of names.filter((each) => MODULE_FOLDER.test(each))) {
    const module = await folder.within(name);
    for (const file of (await module.names()).filter((each) => FILES.test(each)))
      all.update(`${await digestOf(module, file)} ${name}/${file}\n`);
  }
  return all.digest();
}

async function digestOf(folder: ModelFolder, name: string): Promise<string> {
  await using file = await folder.open(name);
  const hash: Hash = createHash('sha256');
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  for (let at = 0; at < file.size; ) {
    const { bytesRead } = await file.handle.read(piece, 0, PIECE_BYTES, at);
    if (bytesRead === 0) break;
    hash.update(piece.subarray(0, bytesRead));
    at += bytesRead;
  }
  return hash.digest('hex');
}
