import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

/** Says back what it hears, and ends when the other end does. */
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

/** Not `once`, which takes the reset that comes before for a failure of the test. */
async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
}

/** Everything heard until the other end is done, which it is when it has heard that we are. */
async function exchange(socket: Socket, bytes: Buffer): Promise<Buffer> {
  const heard: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => heard.push(chunk));
  socket.end(bytes);
  await once(socket, 'end');
  return Buffer.concat(heard);
}

const megabyte = Buffer.alloc(1_048_576, 'both ways ');

test('every byte passes both ways, also those after one side is done', async () => {
  await using proxy = await startTcpProxy(target);
  const heard = await exchange(await dial(proxy), megabyte);
  expect(heard.equals(megabyte)).toBe(true);
  await vi.waitFor(() => expect(proxy.connections).toBe(0));
});

test('a cut breaks what is open and what comes, until it is healed', async () => {
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

test('a pause holds bytes back and loses none', async () => {
  await using proxy = await startTcpProxy(target);
  const socket = await dial(proxy);
  proxy.pause();
  let heard = '';
  socket.on('data', (chunk) => {
    heard += String(chunk);
  });
  socket.write('held');
  // Nothing happening is seen only by looking for a while.
  await delay(100);
  expect(heard).toBe('');
  expect(socket.closed).toBe(false);
  proxy.resume();
  await vi.waitFor(() => expect(heard).toBe('held'));
  socket.destroy();
});

test('a slow road takes its time', async () => {
  await using proxy = await startTcpProxy(target, { bytesPerSecond: 20_000 });
  const startedAt = performance.now();
  const heard = await exchange(await dial(proxy), Buffer.alloc(8_000, 'slow'));
  expect(heard).toHaveLength(8_000);
  // 400 ms of sending; timers may be a little early.
  expect(performance.now() - startedAt).toBeGreaterThan(380);
});

test('a target may be reached late', async () => {
  await using proxy = await startTcpProxy(target, { connectDelayMs: 150 });
  const startedAt = performance.now();
  await exchange(await dial(proxy), Buffer.from('late'));
  expect(performance.now() - startedAt).toBeGreaterThan(140);
});

test('nobody at the target is a broken connection, not a hang', async () => {
  await using proxy = await startTcpProxy({ host: '127.0.0.1', port: 1 });
  await closed(await dial(proxy));
  expect(proxy.connections).toBe(0);
});

test('it ends with connections open, paused', async () => {
  const proxy = await startTcpProxy(target);
  const socket = await dial(proxy);
  proxy.pause();
  socket.write('never heard');
  await proxy[Symbol.asyncDispose]();
  await closed(socket);
});
