import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import {
  credentialsLifetime,
  earningsText,
  Nkey,
  providerCredentials,
  type Renewed,
  renewalText,
  services,
} from '#bus-schemas';
import { RawLeaf } from '#testcontainers';
import {
  type EnrolledMachine,
  enrolMachine,
  startTrustUnderTest,
  type Trust,
} from '../trust-under-test.ts';

const CALL = { timeoutMs: 10_000 };
const DAY_MS = 86_400_000;
const LIFETIME_MS = 30 * DAY_MS;

let trust: Trust;
beforeAll(async () => {
  trust = await startTrustUnderTest({ leafLifetimeMs: LIFETIME_MS });
}, 60_000);
afterAll(() => trust[Symbol.asyncDispose]());

const newMachine = (account?: string) => enrolMachine(trust, account);

/**
 * Enrols a machine with a clock of 31 days ago: the hub, whose clock is right, takes its
 * credentials for expired.
 */
async function sleptTooLong(account?: string): Promise<EnrolledMachine> {
  trust.advance(-LIFETIME_MS - DAY_MS);
  const machine = await newMachine(account);
  trust.advance(LIFETIME_MS + DAY_MS);
  return machine;
}

const nonceFor = async (provider: string) =>
  (await trust.bus.call(services.trust.renewalNonce, { provider }, CALL)).nonce;
function renewWith({ provider }: EnrolledMachine, nonce: string, key: Nkey): Promise<Renewed> {
  return trust.bus.call(
    services.trust.renew,
    { provider, nonce, signature: key.sign(renewalText(provider, nonce)) },
    CALL,
  );
}
const renew = async (machine: EnrolledMachine) =>
  renewWith(machine, await nonceFor(machine.provider), machine.key);

async function connect({ provider, key }: EnrolledMachine, userJwt: string): Promise<RawLeaf> {
  const credentialsFile = join(trust.home, `${provider}.creds`);
  await writeFile(credentialsFile, providerCredentials(userJwt, key));
  return RawLeaf.connect({ url: trust.hub.leafUrl, credentialsFile });
}

async function renewals(outcome: string): Promise<number> {
  const { values = [] } =
    (await trust.metrics.getSingleMetric('dinf_trust_renewals_total')?.get()) ?? {};
  return values.find(({ labels }) => labels['outcome'] === outcome)?.value ?? 0;
}

test('a machine that slept until its credentials expired renews them with its key, and connects again', async () => {
  const account = 'acct_owner';
  const machine = await sleptTooLong(account);
  using expired = await connect(machine, machine.userJwt);
  await expired.closed;
  expect(expired.errors.join()).toMatch(/Authorization|expired/i);
  const before = await renewals('renewed');
  const renewed = await renew(machine);
  if (!renewed.ok) throw new Error(renewed.code);
  expect(
    credentialsLifetime(providerCredentials(renewed.userJwt, machine.key)).expiresAt,
  ).toBeGreaterThan(Date.now() + LIFETIME_MS - DAY_MS);
  const heard = Promise.withResolvers<string>();
  trust.bus.connection.subscribe('up.*.hello', {
    callback: (_error, { subject }) => heard.resolve(subject),
  });
  using leaf = await connect(machine, renewed.userJwt);
  leaf.publish('up.hello', 'awake');
  expect(await heard.promise).toBe(`up.${machine.provider}.hello`);
  expect(
    await trust.bus.call(services.trust.owner, { provider: machine.provider }, CALL),
  ).toMatchObject({ account });
  expect(await renewals('renewed')).toBe(before + 1);
});

test('a revoked machine cannot renew its credentials', async () => {
  const machine = await sleptTooLong();
  await trust.bus.call(services.trust.revoke, { provider: machine.provider }, CALL);
  const before = await renewals('revoked');
  expect(await renew(machine)).toMatchObject({ ok: false, code: 'revoked' });
  expect(await renewals('revoked')).toBe(before + 1);
});

test('the token of a machine without its key cannot renew', async () => {
  const machine = await newMachine();
  expect(
    await renewWith(machine, await nonceFor(machine.provider), Nkey.create('user')),
  ).toMatchObject({ ok: false, code: 'bad_signature' });
});

test('a machine that was never enrolled cannot renew', async () => {
  const stranger = {
    provider: Nkey.create('account').getPublicKey(),
    key: Nkey.create('user'),
    userJwt: '',
  };
  expect(await renew(stranger)).toMatchObject({ ok: false, code: 'unknown_machine' });
});

test('an old or invented nonce, or one of another machine, is refused', async () => {
  const [machine, other] = [await newMachine(), await newMachine()];
  const nonce = await nonceFor(machine.provider);
  expect(await renewWith(machine, await nonceFor(other.provider), machine.key)).toMatchObject({
    ok: false,
    code: 'stale_nonce',
  });
  const [time = '', mac = ''] = nonce.split('.');
  for (const forged of [
    '',
    '.',
    'Infinity.',
    `${Number(time) + 1}.${mac}`,
    `${time}.`,
    `${time}.${mac.slice(1)}A`,
  ]) {
    expect(await renewWith(machine, forged, machine.key), forged).toMatchObject({
      ok: false,
      code: 'stale_nonce',
    });
  }
  trust.advance(60_001);
  expect(await renewWith(machine, nonce, machine.key)).toMatchObject({
    ok: false,
    code: 'stale_nonce',
  });
});

test('a machine renews at most twenty times an hour, and requests without its key do not count', async () => {
  const machine = await newMachine();
  const codes: string[] = [];
  for (let time = 0; time < 5; time += 1)
    await renewWith(machine, await nonceFor(machine.provider), Nkey.create('user'));
  for (let time = 0; time < 21; time += 1) {
    const answer = await renew(machine);
    codes.push(answer.ok ? 'renewed' : answer.code);
  }
  expect(codes).toEqual([...Array.from({ length: 20 }, () => 'renewed'), 'too_often']);
  trust.advance(3_600_001);
  await vi.waitFor(async () => expect(await renew(machine)).toMatchObject({ ok: true }));
});

test('a machine proves with its key that it may read its earnings; a signature for a renewal does not', async () => {
  const machine = await newMachine();
  const prove = async (text: typeof earningsText, key = machine.key) => {
    const { provider } = machine;
    const nonce = await nonceFor(provider);
    const signature = key.sign(text(provider, nonce));
    return trust.bus.call(services.trust.proveReader, { provider, nonce, signature }, CALL);
  };
  expect(await prove(earningsText)).toMatchObject({ ok: true });
  expect(await prove(renewalText)).toMatchObject({ ok: false, code: 'bad_signature' });
  expect(await prove(earningsText, Nkey.create('user'))).toMatchObject({
    ok: false,
    code: 'bad_signature',
  });
  await trust.bus.call(services.trust.revoke, { provider: machine.provider }, CALL);
  expect(await prove(earningsText)).toMatchObject({ ok: false, code: 'revoked' });
});
