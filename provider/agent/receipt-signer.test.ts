import { setImmediate as turnEnd } from 'node:timers/promises';
import { pino } from 'pino';
import { beforeEach, expect, test } from 'vitest';
import {
  isSignedReceipt,
  MAX_GROUP,
  newJobId,
  newP256Key,
  p256Signer,
  type Receipt,
} from '#bus-schemas';
import { ReceiptSigner, type UnsignedReceipt } from './receipt-signer.ts';

const key = p256Signer(newP256Key());
const unsigned = (): UnsignedReceipt => ({
  version: 2,
  job: newJobId(),
  attempt: 1,
  build: 'sim-llama-8b-q4',
  finish: 'stop',
  requestHash: new Uint8Array(32),
  responseHash: new Uint8Array(32),
  usage: { promptTokens: 1, cachedTokens: 0, completionTokens: 1 },
});

let signatures: number;
let lines: string[];
let signed: Receipt[];
let fails: boolean;
const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) });
const signerUnderTest = () =>
  new ReceiptSigner(
    {
      publicKey: key.publicKey,
      sign: (text) => {
        signatures += 1;
        if (fails) throw new Error('the enclave is locked');
        return key.sign(text);
      },
    },
    log,
  );
beforeEach(() => {
  [signatures, lines, signed, fails] = [0, [], [], false];
});
const onSigned = (receipt: Receipt): void => void signed.push(receipt);
const ask = (signer: ReceiptSigner, count: number, grouped = true): void => {
  for (let asked = 0; asked < count; asked += 1)
    signer.sign({ receipt: unsigned(), grouped, onSigned });
};
const hasPlace = ({ group }: Receipt) => group !== undefined;

test('receipts of one turn share a signature, and those of the next turn have another one', async () => {
  using signer = signerUnderTest();
  ask(signer, 5);
  expect(signed).toEqual([]);
  await turnEnd();
  ask(signer, 3);
  await turnEnd();
  expect(signatures).toBe(2);
  expect(signed.map(isSignedReceipt)).toEqual(Array.from({ length: 8 }, () => true));
  expect(
    new Set(signed.map(({ signature }) => Buffer.from(signature ?? '').toString('hex'))).size,
  ).toBe(2);
});

test('a receipt that is alone in its turn has the plain form', async () => {
  using signer = signerUnderTest();
  ask(signer, 1);
  await turnEnd();
  expect([signed.length, signed.some(hasPlace), signed.every(isSignedReceipt)]).toEqual([
    1,
    false,
    true,
  ]);
});

test('receipts for a coordinator that does not read groups are signed one by one and at once', () => {
  using signer = signerUnderTest();
  ask(signer, 4, false);
  expect([signatures, signed.length, signed.some(hasPlace)]).toEqual([4, 4, false]);
  expect(signed.every(isSignedReceipt)).toBe(true);
});

test('more receipts than a group may have are several groups', async () => {
  using signer = signerUnderTest();
  ask(signer, 2 * MAX_GROUP + 1);
  expect([signatures, signed.length]).toEqual([2, 2 * MAX_GROUP]);
  await turnEnd();
  expect([signatures, signed.length]).toEqual([3, 2 * MAX_GROUP + 1]);
  expect(signed.every(isSignedReceipt)).toBe(true);
  expect(hasPlace(signed.at(-1) as Receipt)).toBe(false);
});

test('receipts that wait are signed when the machine stops', () => {
  const signer = signerUnderTest();
  ask(signer, 2);
  signer[Symbol.dispose]();
  expect(signed.map(isSignedReceipt)).toEqual([true, true]);
});

test('a key that fails is logged with the jobs, and their receipts are sent unsigned', async () => {
  fails = true;
  using signer = signerUnderTest();
  ask(signer, 2);
  await turnEnd();
  expect(signed.map(({ signature }) => signature)).toEqual([undefined, undefined]);
  for (const { job } of signed) expect(lines.join('')).toContain(job);
});

test('a job whose end cannot be sent is logged, and the others of its group are sent', async () => {
  using signer = signerUnderTest();
  ask(signer, 1);
  const receipt = unsigned();
  signer.sign({
    receipt,
    grouped: true,
    onSigned: () => {
      throw new TypeError('cannot send my secret answer');
    },
  });
  ask(signer, 1);
  await turnEnd();
  expect(signed.map(isSignedReceipt)).toEqual([true, true]);
  expect(lines.join('')).toContain(receipt.job);
  expect(lines.join('')).not.toContain('secret');
});
