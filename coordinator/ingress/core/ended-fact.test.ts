import { expect, test } from 'vitest';
import {
  newJobId,
  newP256Key,
  p256Signer,
  type Receipt,
  SUITE_ID,
  signTogether,
} from '#bus-schemas';
import { endedFact } from './ended-fact.ts';

const machine = p256Signer(newP256Key());
const usage = { promptTokens: 30, cachedTokens: 0, completionTokens: 20 };
const attempt = {
  number: 1,
  candidate: {
    provider: `A${'B'.repeat(55)}`,
    build: 'sim-q4',
    suite: SUITE_ID,
    sealingKey: new Uint8Array(32),
    expectedFirstContentMs: 10,
  },
  contentBy: 0,
  overdueAt: 0,
  startBy: 0,
  sealBy: undefined,
};

/** Receipts that a machine has signed at once. */
const receiptsOf = (count: number) =>
  signTogether(
    Array.from({ length: count }, () => ({
      version: 2 as const,
      job: newJobId(),
      attempt: 1,
      build: 'sim-q4',
      usage,
      finish: 'stop' as const,
      requestHash: new Uint8Array(32),
      responseHash: new Uint8Array(32),
    })),
    machine,
  );

/** The key that the fact of an ended job names, if this receipt came beside the last frame. */
const namedKey = (receipt: Receipt, job = receipt.job) =>
  endedFact(
    {
      job: {
        id: job,
        account: 'acct_0123456789abcdef',
        key: 'key_0123456789abcdef',
        model: { id: 'sim', builds: ['sim-q4'] },
        streamed: false,
        isBatchLine: false,
        promptBound: 100,
      },
      ingress: 'in_0123456789ab',
      state: { attempts: 1, attempt, deliveredTokens: 20 },
      marks: { startedAt: 0 },
    },
    { do: 'ended', result: 'completed', served: attempt, finish: 'stop', usage, receipt },
    { at: 0, now: 0 },
  ).receiptKey;

test.each([1, 2, 7])(
  'each of %i receipts that a machine signed at once proves its own job',
  (count) => {
    for (const receipt of receiptsOf(count)) expect(namedKey(receipt)).toEqual(machine.publicKey);
  },
);

test('a receipt of a group proves no other job of the group, and none with other tokens', () => {
  const [one, other] = receiptsOf(4) as [Receipt, Receipt];
  expect(namedKey(one, other.job)).toBeUndefined();
  expect(namedKey({ ...one, job: other.job })).toBeUndefined();
  expect(namedKey({ ...one, ...(other.group && { group: other.group }) })).toBeUndefined();
  const { group: _, ...placeless } = one;
  expect(namedKey(placeless)).toBeUndefined();
});
