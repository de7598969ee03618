import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ed25519Signer, hex, newEd25519Key, signSuccession } from '#bus-schemas';
import { rotateLogKey } from '#coordinator/founding/log-keys.ts';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';
import { startCustomer, startLiar } from './sealed-network.ts';

let network: TestNetwork;
beforeAll(async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 0, apart: ['trust'] });
}, 60_000);
afterAll(() => network[Symbol.asyncDispose]());

test('clients follow a new key of the log that the key before has named in the log', async () => {
  await using before = await startCustomer(network.url);
  const { key: first } = await before.client.log.refresh();
  await network.apart.stop('trust');
  const second = await rotateLogKey(join(network.network.home, 'keys'));
  await network.apart.start('trust');
  // A client that ran during the rotation, and one that was given the old key.
  expect(hex((await before.client.log.refresh()).key)).toBe(hex(second));
  await using pinned = await startCustomer(network.url, { logKey: hex(first) });
  expect(hex((await pinned.client.log.refresh()).key)).toBe(hex(second));

  // A second rotation: a client that missed the first one follows both.
  await network.apart.stop('trust');
  const third = await rotateLogKey(join(network.network.home, 'keys'));
  await network.apart.start('trust');
  await using slept = await startCustomer(network.url, { logKey: hex(first) });
  expect(hex((await slept.client.log.refresh()).key)).toBe(hex(third));

  // A client that trusts a key which has no successor refuses the log.
  const stranger = ed25519Signer(newEd25519Key());
  await using other = await startCustomer(network.url, { logKey: hex(stranger.publicKey) });
  await expect(other.client.log.refresh()).rejects.toMatchObject({ code: 'log_key_changed' });

  // A statement that is signed but not in the log is not enough: others would not see the change.
  const hidden = signSuccession(stranger, third);
  await using liar = await startLiar(network.url, ({ path, text }) => {
    if (path !== '/v1/transparency/keys') return undefined;
    const answer = JSON.parse(text);
    const { previous, key, signature } = hidden;
    answer.data.push({ previous: hex(previous), key: hex(key), signature: hex(signature) });
    return JSON.stringify(answer);
  });
  await using victim = await startCustomer(liar.url, { logKey: hex(stranger.publicKey) });
  await expect(victim.client.log.refresh()).rejects.toMatchObject({ code: 'log_key_changed' });
}, 90_000);
