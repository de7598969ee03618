import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ed25519Signer, isSame, isSuccessionSigned, newEd25519Key } from '#bus-schemas';
import { openLogKeys, rotateLogKey } from './log-keys.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dinf-log-keys-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('each key of the log has signed the next one, and the last one signs the log', async () => {
  const first = await openLogKeys(folder);
  expect(first.successions).toEqual([]);
  const second = await rotateLogKey(folder);
  const third = await rotateLogKey(folder);
  const { signer, successions } = await openLogKeys(folder);
  expect(isSame(signer.publicKey, third)).toBe(true);
  expect(successions).toHaveLength(2);
  expect(successions.every(isSuccessionSigned)).toBe(true);
  expect(successions.map(({ previous }) => Buffer.from(previous))).toEqual(
    [first.signer.publicKey, second].map((key) => Buffer.from(key)),
  );
});

test('a rotation that was interrupted is completed with the same key when it is repeated', async () => {
  await openLogKeys(folder);
  const old = await readFile(join(folder, 'log.pem'), 'utf8');
  const next = await rotateLogKey(folder);
  const pem = await readFile(join(folder, 'log.pem'), 'utf8');
  // As a crash before the last steps leaves the folder.
  await writeFile(join(folder, 'log.next.pem'), pem);
  await writeFile(join(folder, 'log.pem'), old);
  await expect(openLogKeys(folder)).rejects.toThrow(/repeat "dinf network rotate log"/);
  expect(isSame(await rotateLogKey(folder), next)).toBe(true);
  expect((await openLogKeys(folder)).successions).toHaveLength(1);
});

test('a key that no succession names is refused', async () => {
  await openLogKeys(folder);
  await rotateLogKey(folder);
  await writeFile(join(folder, 'log.pem'), newEd25519Key());
  await expect(openLogKeys(folder)).rejects.toThrow(/is not the key/);
});

test('a succession that another key has signed is not valid', async () => {
  await openLogKeys(folder);
  await rotateLogKey(folder);
  const [succession] = (await openLogKeys(folder)).successions;
  const stranger = ed25519Signer(newEd25519Key());
  expect(succession && isSuccessionSigned({ ...succession, previous: stranger.publicKey })).toBe(
    false,
  );
});
