import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MachineStanding, services } from '#bus-schemas';
import { enrolMachine, startTrustUnderTest, type Trust } from '../trust-under-test.ts';

const CALL = { timeoutMs: 10_000 };
const ACCOUNT = 'acct_owner';

let trust: Trust;
beforeAll(async () => {
  trust = await startTrustUnderTest();
}, 60_000);
afterAll(() => trust[Symbol.asyncDispose]());

const link = async () => (await enrolMachine(trust, ACCOUNT)).provider;
const standingOf = async (provider: string): Promise<MachineStanding | undefined> =>
  (await trust.bus.call(services.trust.standings, { providers: [provider] }, CALL)).machines[0];
const assign = (provider: string, serial: string) =>
  trust.bus.call(services.trust.assignDevice, { provider, serial }, CALL);
const judge = (provider: string, standing: string) =>
  trust.database.query(
    `INSERT INTO verdicts (provider, revision, standing, level, fresh_until, misses, nonce_at) VALUES ($1, 1, $2, 'hardware', 0, 0, 0)
     ON CONFLICT (provider) DO UPDATE SET standing = $2`,
    [provider, standing],
  );

test('a computer that is linked under several names counts once, as the machine that was linked first', async () => {
  const [first, second] = [await link(), await link()];
  for (const provider of [first, second]) await assign(provider, 'SERIAL0001');
  expect((await standingOf(first))?.sharesComputer).toBe(false);
  expect((await standingOf(second))?.sharesComputer).toBe(true);
  await trust.bus.call(services.trust.revoke, { provider: first }, CALL);
  expect((await standingOf(second))?.sharesComputer).toBe(false);
  expect(await standingOf(first)).toMatchObject({ isExcluded: true });
});

test('a machine has a level only while its evidence is valid, and is excluded once it is caught', async () => {
  const provider = await link();
  expect(await standingOf(provider)).toMatchObject({
    account: ACCOUNT,
    level: 'none',
    isExcluded: false,
    sharesComputer: false,
  });
  await judge(provider, 'verified');
  expect(await standingOf(provider)).toMatchObject({ level: 'hardware' });
  await judge(provider, 'lapsed');
  expect(await standingOf(provider)).toMatchObject({ level: 'none', isExcluded: false });
  await judge(provider, 'untrusted');
  expect(await standingOf(provider)).toMatchObject({ level: 'none', isExcluded: true });
  expect(await standingOf(`A${'B'.repeat(55)}`)).toBeUndefined();
});
