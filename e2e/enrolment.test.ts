import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Nkey, services } from '#bus-schemas';
import { RawLeaf } from '#testcontainers';
import { readStream } from './read-stream.ts';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

const CALL = { timeoutMs: 5_000 };
let network: TestNetwork;

beforeAll(async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 2 });
});
afterAll(async () => {
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

async function enrol(
  body: unknown,
): Promise<{ status: number; body: Record<string, unknown> & { error?: { code: string } } }> {
  const response = await fetch(`${network.url}/v1/providers/enrol`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}
const userKey = () => Nkey.create('user').getPublicKey();

describe('a token', () => {
  test('enrols one provider; a retry with the same key returns it, and another key is refused', async () => {
    const token = await network.network.enrolToken();
    const mine = userKey();
    const first = await enrol({ token, user_key: mine, name: 'mac' });
    expect(first).toMatchObject({
      status: 200,
      body: {
        provider: expect.stringMatching(/^A[A-Z2-7]{55}$/),
        leaf_urls: [network.hub.leafUrl],
      },
    });
    expect(await enrol({ token, user_key: mine, name: 'mac' })).toMatchObject({
      status: 200,
      body: { provider: first.body['provider'] },
    });
    expect(await enrol({ token, user_key: userKey(), name: 'thief' })).toMatchObject({
      status: 403,
      body: { error: { code: 'invalid_enrolment' } },
    });
  });

  test('that does not exist or has expired enrols no provider', async () => {
    expect((await enrol({ token: 'x'.repeat(32), user_key: userKey(), name: '' })).status).toBe(
      403,
    );
    const { token } = await network.network.coordinator.bus.call(
      services.trust.createToken,
      { lifetimeMs: 0 },
      CALL,
    );
    expect((await enrol({ token, user_key: userKey(), name: '' })).status).toBe(403);
  });

  test.each([
    [{}],
    [{ token: 5, user_key: 'U' }],
    [{ token: 'x'.repeat(32), user_key: 'not a key' }],
    [[]],
  ])('%j is a bad request', async (body) => {
    expect((await enrol(body)).status).toBe(400);
  });

  test('of a revoked provider does not enrol it again', async () => {
    const token = await network.network.enrolToken();
    const mine = userKey();
    const { body } = await enrol({ token, user_key: mine, name: 'mac' });
    await network.network.coordinator.bus.call(
      services.trust.revoke,
      { provider: String(body['provider']) },
      CALL,
    );
    expect((await enrol({ token, user_key: mine, name: 'mac' })).status).toBe(403);
  });
});

test('a hub that lost its accounts receives the account of every provider again', async () => {
  await network.hub.kill();
  await rm(join(network.network.home, 'hub/accounts'), { recursive: true, force: true });
  await network.hub.restart();
  const credentialsFile = join(network.network.home, 'fleet/provider-0/leaf.creds');
  // The honest leaf node reconnects by itself; an answer shows that it has. A second one with its
  // credentials is refused, which shows that the limits of the account are back too.
  const chat = { model: 'sim-llama-8b', messages: [{ role: 'user', content: 'Are you there?' }] };
  await vi.waitFor(async () => expect((await readStream(network, chat)).status).toBe(200), {
    timeout: 55_000,
    interval: 200,
  });
  using second = await RawLeaf.connect({ url: network.hub.leafUrl, credentialsFile });
  await second.closed;
  expect(second.errors.join()).toContain('maximum account');
});
