import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { announceNetwork, coordinatorUrl } from './running-network.ts';

test('a command prefers the coordinator in the environment, then the network of its home, then the default port', async () => {
  const home = await mkdtemp(join(tmpdir(), 'dinf-home-'));
  try {
    expect(coordinatorUrl({ DINF_HOME: home })).toBe('http://127.0.0.1:8080');
    const network = {
      natsUrl: 'nats://127.0.0.1:1',
      leafUrl: 'nats-leaf://127.0.0.1:2',
      httpUrl: 'http://127.0.0.1:8180',
      databaseUrl: 'postgres://',
    };
    const announced = await announceNetwork(home, network);
    expect(coordinatorUrl({ DINF_HOME: home })).toBe('http://127.0.0.1:8180');
    expect(coordinatorUrl({ DINF_HOME: home, DINF_COORDINATOR: 'https://a.network' })).toBe(
      'https://a.network',
    );
    await announced[Symbol.asyncDispose]();
    expect(coordinatorUrl({ DINF_HOME: home })).toBe('http://127.0.0.1:8080');
  } finally {
    await rm(home, { recursive: true });
  }
});
