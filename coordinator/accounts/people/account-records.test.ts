import { afterAll, beforeAll, expect, test } from 'vitest';
import { MAX_FOUND_ACCOUNTS } from '#bus-schemas';
import { startAccountsDatabase } from '../accounts-under-test.ts';
import { AccountRecords } from './account-records.ts';
import { People } from './people.ts';

let accounts: Awaited<ReturnType<typeof startAccountsDatabase>>;
let people: People;
let records: AccountRecords;
beforeAll(async () => {
  accounts = await startAccountsDatabase();
  people = new People(accounts.database);
  records = new AccountRecords({
    bus: { emit: () => undefined },
    database: accounts.database,
    now: Date.now,
  });
}, 60_000);
afterAll(() => accounts[Symbol.asyncDispose]());

const signIn = (email: string) =>
  people.signIn({ issuer: 'https://issuer.example', subject: email, email });
const found = async (email: string, isPrefix = false) =>
  (await records.find({ email, isPrefix })).map((record) => record.email);

test('an account is found by its whole address in any case, or by the beginning of it', async () => {
  await Promise.all(['Ann.Lee@example.com', 'ann.lamb@example.com'].map(signIn));
  expect(await found('ann.lee@EXAMPLE.com')).toEqual(['Ann.Lee@example.com']);
  expect(await found('ann.l')).toEqual([]);
  expect(await found('ANN.L', true)).toEqual(['ann.lamb@example.com', 'Ann.Lee@example.com']);
});

test('the characters % and _ in an address stand for themselves', async () => {
  await Promise.all(['b_b@example.com', 'bob@example.com'].map(signIn));
  expect(await found('b_b', true)).toEqual(['b_b@example.com']);
  expect(await found('%@example.com')).toEqual([]);
  expect(await found('b\\', true)).toEqual([]);
});

test('a search returns a limited number of accounts', async () => {
  await Promise.all(
    Array.from({ length: MAX_FOUND_ACCOUNTS + 1 }, (_, index) => signIn(`many-${index}@x.org`)),
  );
  expect(await found('many-', true)).toHaveLength(MAX_FOUND_ACCOUNTS);
});

test('a suspension lasts until it is ended, and keeps the limits of the account', async () => {
  const { account } = await signIn('eve@example.com');
  await records.setLimits(account, { requests: 7 });
  expect(await records.suspend(account, 'fraud')).toMatchObject({
    suspended: { reason: 'fraud' },
    limits: { requests: 7 },
  });
  expect(await records.suspended('', 10)).toEqual([account]);
  expect(await signIn('eve@example.com')).toMatchObject({ account, isSuspended: true });
  const resumed = await records.resume(account);
  expect(resumed).toMatchObject({ account, limits: { requests: 7 } });
  expect(resumed?.suspended).toBeUndefined();
  expect(await records.suspended('', 10)).toEqual([]);
});
