import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { expect, test } from 'vitest';
import { CAN_SHARE_PORTS } from '#coordinator/worker-place.ts';
import { closeListener, expectFree, listenBeside } from './listeners.ts';

const HOST = '127.0.0.1';
const CLIENTS = 96;

async function startListeners() {
  const create = () => createServer((_request, response) => response.end('answered'));
  const first = create();
  first.listen({ host: HOST, port: 0, reusePort: CAN_SHARE_PORTS });
  await once(first, 'listening');
  const servers: Server[] = [first, ...(await listenBeside(first, create))];
  const { port } = first.address() as AddressInfo;
  return {
    port,
    first,
    [Symbol.asyncDispose]: async () => void (await Promise.all(servers.map(closeListener))),
  };
}

/** Sends a request over a connection of its own, and waits for its answer. */
async function ask(port: number): Promise<void> {
  const socket = connect(port, HOST);
  socket.write('GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n');
  let answer = '';
  for await (const part of socket) answer += String(part);
  expect(answer).toContain('answered');
}

const linuxOnly = CAN_SHARE_PORTS ? '' : ' (skipped: processes can share a port only on Linux)';

test.skipIf(!CAN_SHARE_PORTS)(
  `many clients connect within few turns of the event loop${linuxOnly}`,
  async () => {
    await using listeners = await startListeners();
    let [turns, isWaiting] = [0, true];
    const busy = () => {
      turns += 1;
      const end = performance.now() + 10;
      while (performance.now() < end);
      if (isWaiting) setImmediate(busy);
    };
    setImmediate(busy);
    await Promise.all(Array.from({ length: CLIENTS }, () => ask(listeners.port)));
    isWaiting = false;
    // With one listener, each connection needs a turn of its own.
    expect(turns).toBeLessThan(CLIENTS / 2);
  },
);

test.skipIf(!CAN_SHARE_PORTS)(
  `a port of another process is not free, although it could be shared${linuxOnly}`,
  async () => {
    const listeners = await startListeners();
    const address = { host: HOST, port: listeners.port };
    await expect(expectFree(address)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await listeners[Symbol.asyncDispose]();
    await expectFree(address);
  },
);
