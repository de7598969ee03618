import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startSupervised } from '#provider';
import { connectionLimit } from './connection-limit.ts';

test.each([
  [undefined, undefined],
  [1_048_576, 1_048_480],
  [256, 160],
  [40, 8],
])('with %s open files, %s connections are accepted', (openFiles, connections) => {
  expect(connectionLimit(openFiles)).toBe(connections);
});

test('with 128 descriptors, connection 33 is closed at once, and the log has the reason at the start and then', {
  timeout: 20_000,
}, async () => {
  const script = `
    import { createServer } from 'node:http';
    import { Registry } from 'prom-client';
    import { limitConnections } from ${JSON.stringify(join(import.meta.dirname, 'connection-limit.ts'))};
    const servers = [createServer(), createServer()];
    limitConnections(servers, { log: { warn: (_, line) => console.log(line) }, metrics: new Registry() });
    for (const server of servers)
      await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
    console.log('ports ' + servers.map((server) => server.address().port));`;
  await using server = await startSupervised({
    name: 'a server',
    launcher: ['sh', '-c', 'ulimit -n 128; exec "$@"', 'sh'],
    command: process.execPath,
    args: ['--input-type=module', '-e', script],
    isReady: (line) => line.startsWith('ports '),
  });
  const ports = (server.logs().at(-1)?.split(' ')[1] ?? '').split(',').map(Number);
  const open = (count: number): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const socket = connect(ports[count % 2] ?? 0, '127.0.0.1', () => resolve(socket)).once(
        'error',
        reject,
      );
    });
  const sockets: Socket[] = [];
  for (let count = 0; count < 32; count += 1) sockets.push(await open(count));
  const tooMany = await open(0);
  await new Promise((closed) => tooMany.once('close', closed).resume());
  expect(sockets.filter((socket) => socket.closed)).toEqual([]);
  await server.whenLine((line) => line.includes('32 clients are connected'), 5_000);
  expect(server.logs().join('\n')).toContain(
    'only 128 open files are allowed (ulimit -n): at most 32 clients can be connected at once',
  );
  for (const socket of sockets) socket.destroy();
});
