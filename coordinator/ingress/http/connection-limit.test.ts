import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startSupervised } from '#provider';
import { connectionLimit } from './connection-limit.ts';

test.each([
  [undefined, undefined],
  [1_048_576, 1_048_512],
  [256, 192],
  [40, 8],
])('with %s open files, %s connections are accepted', (openFiles, connections) => {
  expect(connectionLimit(openFiles)).toBe(connections);
});

test('with 128 descriptors, connection 65 is closed at once, and the log has the reason at the start and then', {
  timeout: 20_000,
}, async () => {
  const script = `
    import { createServer } from 'node:http';
    import { Registry } from 'prom-client';
    import { limitConnections } from ${JSON.stringify(join(import.meta.dirname, 'connection-limit.ts'))};
    const server = createServer();
    limitConnections([server], { log: { warn: (_, line) => console.log(line) }, metrics: new Registry() });
    server.listen(0, '127.0.0.1', () => console.log('port ' + server.address().port));`;
  await using server = await startSupervised({
    name: 'a server',
    launcher: ['sh', '-c', 'ulimit -n 128; exec "$@"', 'sh'],
    command: process.execPath,
    args: ['--input-type=module', '-e', script],
    isReady: (line) => line.startsWith('port '),
  });
  const port = Number(server.logs().at(-1)?.split(' ')[1]);
  const open = (): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => resolve(socket)).once('error', reject);
    });
  const sockets: Socket[] = [];
  for (let count = 0; count < 64; count += 1) sockets.push(await open());
  const tooMany = await open();
  await new Promise((closed) => tooMany.once('close', closed).resume());
  expect(sockets.filter((socket) => socket.closed)).toEqual([]);
  await server.whenLine((line) => line.includes('64 clients are connected'), 5_000);
  expect(server.logs().join('\n')).toContain(
    'only 128 open files are allowed (ulimit -n): at most 64 clients can be connected at once',
  );
  for (const socket of sockets) socket.destroy();
});
