import { afterAll, beforeAll, expect, test } from 'vitest';
import { services } from '#bus-schemas';
import { enrolMachine, startTrustUnderTest, type Trust } from './trust-under-test.ts';

const CALL = { timeoutMs: 10_000 };
const { accuse, pardon, prove } = services.trust;

let trust: Trust;
beforeAll(async () => {
  trust = await startTrustUnderTest();
}, 60_000);
afterAll(() => trust[Symbol.asyncDispose]());

const enrol = async (account?: string): Promise<string> =>
  (await enrolMachine(trust, account)).provider;

/** The verdict that routers read; undefined if trust has not judged the machine yet. */
async function verdictOf(provider: string) {
  const { verdicts } = await trust.bus.call(services.trust.verdicts, { limit: 1_000 }, CALL);
  return verdicts.find((verdict) => verdict.provider === provider);
}
const isOnProbation = async (provider: string) => (await verdictOf(provider))?.probation === true;

test('only canaries end the probation of a linked machine, and no canary undoes an accusation', async () => {
  const provider = await enrol('acct_0123456789abcdef');
  expect(await trust.bus.call(prove, { provider }, CALL)).toMatchObject({ proven: true });
  expect(await isOnProbation(provider)).toBe(false);

  await trust.bus.call(accuse, { provider }, CALL);
  expect(await trust.bus.call(prove, { provider }, CALL)).toMatchObject({ proven: false });
  expect(await verdictOf(provider)).toMatchObject({ standing: 'untrusted', probation: true });

  await trust.bus.call(pardon, { provider }, CALL);
  expect(await verdictOf(provider)).toMatchObject({ standing: 'pending', probation: true });
  const { revision = 0 } = (await verdictOf(provider)) ?? {};
  await trust.bus.call(prove, { provider }, CALL);
  expect(await isOnProbation(provider)).toBe(false);
  // Routers ignore a verdict with a revision that is not newer than the stored one.
  expect((await verdictOf(provider))?.revision).toBeGreaterThan(revision);
});

test('a machine that the operator enrolled is proven until it is accused', async () => {
  const provider = await enrol();
  const proven = 'SELECT proven_at IS NOT NULL AS proven FROM providers WHERE id = $1';
  expect((await trust.database.query(proven, [provider])).rows).toEqual([{ proven: true }]);
  await trust.bus.call(accuse, { provider }, CALL);
  expect((await trust.database.query(proven, [provider])).rows).toEqual([{ proven: false }]);
  await trust.bus.call(pardon, { provider }, CALL);
  expect(await isOnProbation(provider)).toBe(true);
});

test('a machine that does not exist is not proven', async () => {
  const provider = `A${'B'.repeat(55)}`;
  expect(await trust.bus.call(prove, { provider }, CALL)).toMatchObject({ proven: false });
});
