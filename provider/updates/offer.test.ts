import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { isNewer, offeredPackage } from './offer.ts';

test.each([
  ['0.2.0', '0.1.9'],
  ['0.10.0', '0.9.0'],
  ['1.0.0', '1.0.0-rc.1'],
  ['1.0.0-rc.2', '1.0.0-rc.1'],
])('%s is newer than %s, and not the other way round', (newer, older) => {
  expect(isNewer(newer, older)).toBe(true);
  expect(isNewer(older, newer)).toBe(false);
  expect(isNewer(newer, newer)).toBe(false);
});

test.each([
  ['stable', '1.0.0', '1.1.0-beta.1', '1.0.0'],
  ['beta', '1.0.0', '1.1.0-beta.1', '1.1.0-beta.1'],
  ['beta', '1.1.0', '1.1.0-beta.1', '1.1.0'],
  ['beta', '1.0.0', '1.0.0', '1.0.0'],
] as const)(
  'the channel %s of a network with %s and beta %s has %s',
  async (channel, stable, beta, expected) => {
    const server = createServer(({ url }, reply) => {
      const version = url === '/install/offer.json?channel=beta' ? beta : stable;
      reply.end(JSON.stringify({ version, sha256: 'ab'.repeat(32), bytes: 1 }));
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as AddressInfo;
    const offer = await offeredPackage(`http://127.0.0.1:${port}`, channel);
    expect(offer.version).toBe(expected);
    server.close();
    server.closeAllConnections();
  },
);
