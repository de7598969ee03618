import { expect, test } from 'vitest';
import { coreKey } from '#coordinator/core-secret.ts';
import { callerKeys } from '../caller-cipher.ts';
import { storedPurpose } from '../stored/stored-contents.ts';
import { openBatchKeys, sealBatchKeys } from './batch-keys.ts';
import { BatchCipher } from './batch-record.ts';

const idOf = (kind: string, letter: string) => `${kind}_${letter.repeat(24)}`;
const objects = {
  batch: idOf('batch', 'a'),
  input: idOf('file', 'b'),
  output: idOf('file', 'c'),
  errors: idOf('file', 'd'),
};
const owner = { account: 'acct_ann1', secret: 'sk-db-secret' };
const ingressKey = coreKey('a seed', 'dinf batch keys 1');
const sealed = sealBatchKeys(owner, objects, ingressKey);
const named = { account: owner.account, id: objects.batch, sealed };

test('the keys of a batch open its own objects and no others of the caller', () => {
  const keys = openBatchKeys(named, ingressKey);
  for (const id of [...Object.values(objects), `${objects.input}_7`]) {
    const purpose = storedPurpose(id);
    expect(keys.keyOf(purpose)).toEqual(callerKeys(owner).keyOf(purpose));
  }
  for (const id of [idOf('file', 'e'), idOf('resp', 'a'), `${idOf('file', 'e')}_0`])
    expect(() => keys.keyOf(storedPurpose(id))).toThrow('no key for this object');
  expect(sealed.includes(owner.secret)).toBe(false);
});

test('keys in the row of another batch or account, or after a rotation of the credentials, cannot be opened', () => {
  for (const [other, key] of [
    [{ ...named, id: idOf('batch', 'z') }, ingressKey],
    [{ ...named, account: 'acct_bob1' }, ingressKey],
    [named, coreKey('another seed', 'dinf batch keys 1')],
  ] as const)
    expect(() => openBatchKeys(other, key)).toThrow();
});

test('a result that is put in the place of another line cannot be opened', () => {
  const cipher = new BatchCipher(openBatchKeys(named, ingressKey), objects.batch);
  const result = cipher.sealResult(3, { custom_id: 'three' });
  expect(JSON.parse(cipher.openResult(3, result).toString())).toEqual({ custom_id: 'three' });
  expect(() => cipher.openResult(4, result)).toThrow();
});
