import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { endVanishedClients } from './vanished-clients.ts';

/** A client in a network namespace of its own, behind a cable that can be pulled. */
const NAMESPACE = `dinf-${process.pid}`;
const [OURS, THEIRS] = [`dv${process.pid}a`, `dv${process.pid}b`];
const [SERVER, CLIENT] = ['10.213.77.1', '10.213.77.2'];
/** Large enough to fill every buffer between the server and a client that does not read. */
const CHUNK = `data: ${'x'.repeat(500_000)}\n\n`;
/** Fails until the kernel has sent probes to the client because it accepts no more bytes. */
const expectClosedWindow = () => {
  const [a, b, c, d] = CLIENT.split('.').map(Number);
  const remote = Buffer.from([d, c, b, a] as number[])
    .toString('hex')
    .toUpperCase();
  // The field after the queues begins with the kind of the timer that runs; 4 sends window probes.
  expect(readFileSync('/proc/net/tcp', 'latin1')).toMatch(
    new RegExp(` ${remote}:[0-9A-F]{4} 01 [0-9A-F:]+ 04:`),
  );
};
const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' });

function canMakeNamespaces(): boolean {
  try {
    ip('netns', 'add', NAMESPACE);
    return true;
  } catch {
    return false;
  }
}

const possible = canMakeNamespaces();

describe.skipIf(!possible)(
  `a client whose cable is pulled${possible ? '' : ' (skipped: this user cannot make network namespaces)'}`,
  () => {
    beforeAll(() => {
      ip('link', 'add', OURS, 'type', 'veth', 'peer', 'name', THEIRS, 'netns', NAMESPACE);
      ip('addr', 'add', `${SERVER}/30`, 'dev', OURS);
      ip('link', 'set', OURS, 'up');
      ip('-n', NAMESPACE, 'addr', 'add', `${CLIENT}/30`, 'dev', THEIRS);
      ip('-n', NAMESPACE, 'link', 'set', THEIRS, 'up');
    });
    afterAll(() => ip('netns', 'delete', NAMESPACE));

    test.each([
      ['at once', async () => undefined],
      ['after its window has closed', () => vi.waitFor(expectClosedWindow)],
    ])(
      '%s is noticed by what it does not acknowledge; a client that does not read for a while keeps its connection',
      {
        timeout: 60_000,
      },
      async (_when, ready) => {
        ip('link', 'set', OURS, 'up');
        const responses = new Map<string | undefined, ServerResponse>();
        const server = createServer(({ socket }, response) => {
          responses.set(socket.remoteAddress, response);
          const timer = setInterval(() => response.write(CHUNK), 50);
          response.once('close', () => clearInterval(timer));
        });
        server.listen(0, SERVER);
        await once(server, 'listening');
        const { port } = server.address() as AddressInfo;
        using _watch = endVanishedClients({
          servers: [server],
          log: pino({ level: 'silent' }),
          lookEveryMs: 100,
          retransmissions: 4,
        });
        // A process that reads nothing has nothing to wait for: the timer keeps it alive.
        const ask = `setInterval(() => undefined, 1e6); require('node:http').get({ host: '${SERVER}', port: ${port} }, (r) => { r.once('data', () => { process.stdout.write('reading'); r.pause(); }); })`;
        const far = spawn('ip', ['netns', 'exec', NAMESPACE, process.execPath, '-e', ask], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        const near = spawn(process.execPath, ['-e', ask], { stdio: ['ignore', 'pipe', 'inherit'] });
        try {
          await Promise.all([once(far.stdout, 'data'), once(near.stdout, 'data')]);
          const [vanishing, staying] = [responses.get(CLIENT), responses.get(SERVER)];
          await ready();
          ip('link', 'set', OURS, 'down');
          if (vanishing?.closed === false) await once(vanishing, 'close');
          expect([vanishing?.destroyed, staying?.destroyed]).toEqual([true, false]);
        } finally {
          far.kill('SIGKILL');
          near.kill('SIGKILL');
          server.closeAllConnections();
          server.close();
        }
      },
    );
  },
);
