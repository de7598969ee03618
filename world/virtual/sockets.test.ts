import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { Cables } from './cables.ts';
import { Host, runOn } from './host.ts';
import { SeededNumbers } from './seeded-numbers.ts';
import { type SocketWorld, VirtualSocket } from './sockets.ts';
import { VirtualTime } from './virtual-time.ts';

const [CLIENT, SERVER, PORT] = ['10.0.0.1', '10.0.0.2', 80];
const SEEDS = 20;
const LATER_MS = 1_000;

/** A connection between two hosts of a small world, with the bytes and the end that arrive at the server. */
async function connected(
  seed: number,
  listener?: { readonly server: Server; readonly host: Host },
): Promise<{
  readonly time: VirtualTime;
  readonly cables: Cables;
  readonly socket: VirtualSocket;
  readonly arrived: { readonly at: number; readonly text: string }[];
}> {
  const time = new VirtualTime((_, error) => {
    throw error;
  });
  const cables = new Cables(new SeededNumbers(seed, 'cables'));
  const servers: SocketWorld['servers'] = new Map();
  const arrived: { at: number; text: string }[] = [];
  const server = createServer((socket) =>
    socket
      .on('data', (bytes) => arrived.push({ at: time.now, text: bytes.toString() }))
      .on('end', () => arrived.push({ at: time.now, text: 'end' })),
  );
  servers.set(`${SERVER}:${PORT}`, listener ?? { server, host: new Host('server', SERVER) });
  const world: SocketWorld = { time, cables, servers, freePort: () => PORT };
  const socket = runOn(new Host('client', CLIENT), () =>
    new VirtualSocket(world).open({ host: SERVER, port: PORT }),
  );
  await time.runUntil(LATER_MS);
  return { time, cables, socket, arrived };
}

test('bytes that a cut link held back arrive before those that were sent after it was mended', async () => {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const { time, cables, socket, arrived } = await connected(seed);
    cables.cut(CLIENT, SERVER);
    for (const text of ['a', 'b']) {
      socket.write(text);
      await time.runUntil(time.now + LATER_MS);
    }
    expect(arrived).toEqual([]);
    cables.mend(CLIENT, SERVER);
    socket.write('c');
    await time.runUntil(time.now + LATER_MS);
    expect(arrived.map(({ text }) => text).join('')).toBe('abc');
  }
});

test('a link that is cut again before the next try holds everything back', async () => {
  const { time, cables, socket, arrived } = await connected(1);
  cables.cut(CLIENT, SERVER);
  socket.write('a');
  await time.runUntil(time.now + LATER_MS);
  cables.mend(CLIENT, SERVER);
  cables.cut(CLIENT, SERVER);
  socket.write('b');
  await time.runUntil(time.now + LATER_MS);
  expect(arrived).toEqual([]);
  cables.mend(CLIENT, SERVER);
  await time.runUntil(time.now + LATER_MS);
  expect(arrived.map(({ text }) => text).join('')).toBe('ab');
});

test('what leaves a socket at one moment arrives together, and its end after it', async () => {
  const { time, socket, arrived } = await connected(1);
  socket.write('a');
  socket.write('b');
  socket.end('c');
  await time.runUntil(time.now + LATER_MS);
  expect(arrived.map(({ text }) => text)).toEqual(['abc', 'end']);
  expect(arrived[1]?.at).toBe(arrived[0]?.at);
});

test('a killed host leaves no parser of HTTP, which would keep its whole world in memory', async () => {
  const host = new Host('server', SERVER);
  const server = createHttpServer();
  let accepted: Socket | undefined;
  server.on('connection', (socket: Socket) => {
    accepted = socket;
  });
  const { time, socket } = await connected(1, { server, host });
  socket.write('GET / HTTP/1.1\r\n');
  await time.runUntil(time.now + LATER_MS);
  const { parser } = accepted as unknown as { parser: { socket: unknown } | null };
  expect(parser).toMatchObject({ socket: accepted });
  host.kill();
  expect([accepted, parser]).toMatchObject([{ parser: null }, { socket: null }]);
});
