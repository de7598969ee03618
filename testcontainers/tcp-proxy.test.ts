import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

/** A server that sends back all bytes, and ends a connection when the client does. */
const echo = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => undefined);
  socket.pipe(socket);
});
let target: { host: string; port: number };
beforeEach(async () => {
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  target = { host: '127.0.0.1', port: (echo.address() as AddressInfo).port };
});
afterEach(() => new Promise((resolve) => echo.close(resolve)));

async function dial({ host, port }: TcpProxy): Promise<Socket> {
  const socket = connect({ host, port });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** Resolves when the socket is closed. `once` of node:events would reject at the reset before. */
async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
}

/**
 * Sends the bytes, ends the sending side, and returns everything received until the other side
 * ends.
 */
async function exchange(socket: Socket, bytes: Buffer): Promise<Buffer> {
  const received: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => received.push(chunk));
  socket.end(bytes);
  await once(socket, 'end');
  return Buffer.concat(received);
}

const megabyte = Buffer.alloc(1_048_576, 'both ways ');

test('every byte passes in both directions, also after one side has ended', async () => {
  await using proxy = await startTcpProxy(target);
  const received = await exchange(await dial(proxy), megabyte);
  expect(received.equals(megabyte)).toBe(true);
  await vi.waitFor(() => expect(proxy.connections).toBe(0));
});

test('cut breaks open connections and new ones until heal', async () => {
  await using proxy = await startTcpProxy(target);
  const open = await dial(proxy);
  open.write('x');
  await once(open, 'data');
  proxy.cut();
  await closed(open);
  const late = connect({ host: proxy.host, port: proxy.port });
  late.on('error', () => undefined);
  await closed(late);
  proxy.heal();
  expect(String(await exchange(await dial(proxy), Buffer.from('again')))).toBe('again');
});

test('pause delays bytes until resume and loses none', async () => {
  await using proxy = await startTcpProxy(target);
  const socket = await dial(proxy);
  proxy.pause();
  let received = '';
  socket.on('data', (chunk) => {
    received += String(chunk);
  });
  socket.write('held');
  // An exchange on a second, open way needs more turns of the event loop than the paused bytes
  // would.
  await using open = await startTcpProxy(target);
  await exchange(await dial(open), Buffer.from('passes'));
  expect(received).toBe('');
  expect(socket.closed).toBe(false);
  proxy.resume();
  await vi.waitFor(() => expect(received).toBe('held'));
  socket.destroy();
});

test('bytesPerSecond limits the speed', async () => {
  await using proxy = await startTcpProxy(target, { bytesPerSecond: 20_000 });
  const startedAt = performance.now();
  const received = await exchange(await dial(proxy), Buffer.alloc(8_000, 'slow'));
  expect(received).toHaveLength(8_000);
  // Sending takes 400 ms; timers may fire slightly early.
  expect(performance.now() - startedAt).toBeGreaterThan(380);
});

test('connectDelayMs delays the connection to the target', async () => {
  await using proxy = await startTcpProxy(target, { connectDelayMs: 150 });
  const startedAt = performance.now();
  await exchange(await dial(proxy), Buffer.from('late'));
  expect(performance.now() - startedAt).toBeGreaterThan(140);
});

test('a target that does not listen breaks the connection instead of hanging', async () => {
  await using proxy = await startTcpProxy({ host: '127.0.0.1', port: 1 });
  await closed(await dial(proxy));
  expect(proxy.connections).toBe(0);
});

test('the proxy can be disposed while connections are open and paused', async () => {
  const proxy = await startTcpProxy(target);
  const socket = await dial(proxy);
  proxy.pause();
  socket.write('never received');
  await proxy[Symbol.asyncDispose]();
  await closed(socket);
});
