import { pino } from 'pino';
import { expect, test } from 'vitest';
import type { HoldResult, NewHold } from './job-store.ts';
import { RecentHolds } from './recent-holds.ts';

const rowOf = (job: string): NewHold => ({
  job,
  account: 'a',
  key: 'k',
  model: 'm',
  providers: [],
  payee: null,
  priceVersion: '1',
  price: { inputPerMillion: 0, cacheReadPerMillion: 0, outputPerMillion: 0 },
  terms: { feeBps: 0, minimum: 0, referrer: null },
  promptBound: 1,
  outputBound: 1,
  revision: 1,
  isVoid: false,
  held: 1,
  digest: Buffer.alloc(32),
  lifeMs: 1,
});

interface RequestedHold {
  readonly job: string;
  readonly answer: (result: HoldResult['result']) => void;
  readonly fail: () => void;
}

function underTest() {
  const requested: RequestedHold[] = [];
  const clock = { now: 0 };
  const hold = ({ job }: NewHold): Promise<HoldResult> =>
    new Promise((resolve, reject) =>
      requested.push({
        job,
        answer: (result) => resolve({ result, held: 1 }),
        fail: () => reject(new Error('the database does not answer')),
      }),
    );
  const recent = new RecentHolds({ hold, log: pino({ level: 'silent' }), now: () => clock.now });
  return { recent, requested, clock };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

test('after a lost connection, holds of the last seconds are requested again and older ones are not', async () => {
  const { recent, requested, clock } = underTest();
  recent.remember([rowOf('old')]);
  clock.now = 6_000;
  recent.remember([rowOf('new')]);
  recent.requestAgain();
  expect(requested.map(({ job }) => job)).toEqual(['new']);
});

test('a hold that a crashing database answered during the repetition is requested again too', async () => {
  const { recent, requested } = underTest();
  recent.remember([rowOf('first')]);
  recent.requestAgain();
  recent.remember([rowOf('second')]);
  recent.requestAgain();
  for (const { answer } of requested.splice(0)) answer('held');
  await turn();
  expect(requested.map(({ job }) => job)).toEqual(expect.arrayContaining(['first', 'second']));
});

test('even a long outage loses no hold', async () => {
  const { recent, requested, clock } = underTest();
  recent.remember([rowOf('held')]);
  recent.requestAgain();
  clock.now = 60_000;
  recent.remember([]);
  recent.requestAgain();
  for (const { fail } of requested.splice(0)) fail();
  await expect.poll(() => requested.map(({ job }) => job)).toEqual(['held']);
});
