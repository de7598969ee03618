import { afterAll, beforeAll, expect, test } from 'vitest';
import { newJobId } from '#bus-schemas';
import { startAccountsDatabase } from '../accounts-under-test.ts';
import { Claims } from './claims.ts';

let accounts: Awaited<ReturnType<typeof startAccountsDatabase>>;
let claims: Claims;
beforeAll(async () => {
  accounts = await startAccountsDatabase();
  claims = new Claims(accounts.database);
});
afterAll(() => accounts[Symbol.asyncDispose]());

let made = 0;
const aRequest = () => {
  made += 1;
  return {
    account: 'acct_test',
    idempotencyKey: Buffer.alloc(32, made),
    digest: Buffer.alloc(32, 200),
  };
};
const soon = () => Date.now() + 60_000;
const past = () => Date.now() - 1;

test('of many claims at once exactly one runs, and its job may claim again', async () => {
  const request = aRequest();
  const jobs = Array.from({ length: 20 }, () => newJobId());
  const answers = await Promise.all(
    jobs.map((job) => claims.claim({ ...request, job, expiresAt: soon() })),
  );
  expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
  const winner = jobs[answers.findIndex(({ ok }) => ok)] as string;
  // The winner may claim again, to renew the claim or because the first answer was lost.
  expect(await claims.claim({ ...request, job: winner, expiresAt: soon() })).toEqual({ ok: true });
  expect(await claims.claim({ ...request, job: newJobId(), expiresAt: soon() })).toEqual({
    ok: false,
    code: 'running',
  });
});

test('a stored answer is not removed by a later renewal of the claim', async () => {
  const [request, job] = [aRequest(), newJobId()];
  await claims.claim({ ...request, job, expiresAt: soon() });
  await claims.end({ ...request, job, sealed: Buffer.from('sealed'), expiresAt: soon() });
  expect(await claims.claim({ ...request, job, expiresAt: soon() })).toMatchObject({
    ok: false,
    code: 'answered',
    job,
    sealed: Buffer.from('sealed'),
  });
  expect(
    await claims.claim({
      ...request,
      digest: Buffer.alloc(32, 1),
      job: newJobId(),
      expiresAt: soon(),
    }),
  ).toEqual({ ok: false, code: 'conflict' });
});

test('a claim that was given up or has expired is free, and its old job can no longer change it', async () => {
  const [request, lost, next] = [aRequest(), newJobId(), newJobId()];
  await claims.claim({ ...request, job: lost, expiresAt: past() });
  expect(await claims.claim({ ...request, job: next, expiresAt: soon() })).toEqual({ ok: true });
  await claims.end({ ...request, job: lost, sealed: Buffer.from('late'), expiresAt: soon() });
  await claims.end({ ...request, job: lost });
  expect(await claims.claim({ ...request, job: newJobId(), expiresAt: soon() })).toEqual({
    ok: false,
    code: 'running',
  });
  await claims.end({ ...request, job: next });
  expect(await claims.claim({ ...request, job: newJobId(), expiresAt: soon() })).toEqual({
    ok: true,
  });
});
