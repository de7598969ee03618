import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { providerCredentials } from '#bus-schemas';
import {
  beginSigningRotation,
  finishSigningRotation,
} from '#coordinator/founding/rotate-signing-key.ts';
import { RawLeaf } from '#testcontainers';
import {
  type EnrolledMachine,
  enrolMachine,
  startTrustUnderTest,
  type Trust,
} from './trust-under-test.ts';

const SOON = { timeout: 20_000, interval: 100 };
let trust: Trust;
beforeEach(async () => {
  trust = await startTrustUnderTest();
}, 60_000);
afterEach(() => trust[Symbol.asyncDispose]());

const keys = () => join(trust.home, 'keys');

/** Connects as the machine; the errors are empty if the hub accepts its account. */
async function errorsOf({ provider, key, userJwt }: EnrolledMachine): Promise<string> {
  const credentialsFile = join(trust.home, `${provider}.creds`);
  await writeFile(credentialsFile, providerCredentials(userJwt, key));
  using leaf = await RawLeaf.connect({ url: trust.hub.leafUrl, credentialsFile });
  await Promise.race([leaf.flush().catch(() => undefined), leaf.closed]);
  return leaf.errors.join();
}
const expectAccepted = (machine: EnrolledMachine) =>
  vi.waitFor(async () => expect(await errorsOf(machine)).toBe(''), SOON);

test('a machine keeps its access while the signing key is replaced, and the old key loses its power', async () => {
  const machine = await enrolMachine(trust);
  await expectAccepted(machine);

  const first = await beginSigningRotation(keys());
  await expect(beginSigningRotation(keys())).rejects.toThrow(/has begun already/);
  await trust.restartHub();
  // Signed by the old key, as long as trust has not been started again.
  await expectAccepted(machine);
  // The ingress repeats this call as well when its connection to the hub was lost meanwhile.
  const late = await vi.waitFor(() => enrolMachine(trust), SOON);
  await expectAccepted(late);

  await trust.stop();
  await trust.start();
  await finishSigningRotation(keys());
  await trust.restartHub();
  await expectAccepted(machine);
  await expectAccepted(late);

  // The second rotation ends without the step that signs the accounts again.
  expect(await beginSigningRotation(keys())).not.toBe(first);
  await finishSigningRotation(keys());
  await trust.restartHub();
  await vi.waitFor(async () => expect(await errorsOf(machine)).toMatch(/Authorization/i), SOON);
}, 120_000);

test('the rotation needs the identity key, and refuses to end before it has begun', async () => {
  await rename(join(keys(), 'operator.nk'), join(trust.home, 'offline.nk'));
  const token = await readFile(join(keys(), 'operator.jwt'), 'utf8');
  await expect(beginSigningRotation(keys())).rejects.toThrow(/operator\.nk is missing/);
  await expect(finishSigningRotation(keys())).rejects.toThrow(/No rotation/);
  expect(await readFile(join(keys(), 'operator.jwt'), 'utf8')).toBe(token);
  // The interrupted beginning is continued when the identity key is there.
  await rename(join(trust.home, 'offline.nk'), join(keys(), 'operator.nk'));
  await beginSigningRotation(keys());
  await finishSigningRotation(keys());
});
