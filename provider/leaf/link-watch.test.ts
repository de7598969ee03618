import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { NatsNode } from '#network';
import { cacheFolder, findNatsServer, type Leaf, startLeaf } from '#provider';
import { startNatsHub, startTcpProxy } from '#testcontainers';
import { enrolledAt } from './plain-hub-under-test.ts';

const LIMIT_MS = 1_000;

let stack: AsyncDisposableStack;
let hub: NatsNode;
let warnings: { because?: string; msg: string }[];

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  warnings = [];
  hub = stack.use(
    await startNatsHub({
      config: ({ host, ports }) => `
        host: ${host}, port: ${ports.client}
        # The leaf would otherwise learn this address, and reconnect without the proxy of a test.
        leafnodes { host: ${host}, port: ${ports.leaf}, no_advertise: true }`,
    }),
  );
});
afterEach(() => stack.disposeAsync());

/** Starts a leaf, and waits until it has a link. */
async function linkedLeaf(leafUrl: string): Promise<Leaf> {
  const home = await mkdtemp(join(tmpdir(), 'dinf-link-'));
  stack.defer(() => rm(home, { recursive: true, force: true, maxRetries: 3 }));
  const log = pino({ level: 'warn' }, { write: (line) => void warnings.push(JSON.parse(line)) });
  const leaf = stack.use(
    await startLeaf({
      binary: (await findNatsServer({ cacheDir: cacheFolder(process.env) })).path,
      home: join(home, 'leaf'),
      enrolments: [await enrolledAt([leafUrl], home)],
      withoutLinkMs: LIMIT_MS,
      log,
    }),
  );
  // Before its first check the leaf has no fault, and may have no link yet either.
  await vi.waitFor(async () => expect(await leaf.links()).not.toEqual([]));
  await isLinked(leaf);
  return leaf;
}

const isLinked = (leaf: Leaf) =>
  vi.waitFor(() => expect(leaf.link).toMatchObject({ fault: undefined, restarts: 0 }));
const isAnotherProcess = (leaf: Leaf, pid: number) =>
  vi.waitFor(() => expect([-1, pid]).not.toContain(leaf.server.pid));

test('a leaf that gets no link, although its hub accepts connections, is started again', async () => {
  const { hostname, port } = new URL(hub.leafUrl);
  const network = stack.use(await startTcpProxy({ host: hostname, port: Number(port) }));
  const leaf = await linkedLeaf(`nats-leaf://${network.host}:${network.port}`);
  const { pid } = leaf.server;
  // The connection breaks, and new ones are accepted and carry nothing.
  network.pause();
  network.cut();
  network.heal();
  await isAnotherProcess(leaf, pid);
  expect(warnings).toContainEqual(
    expect.objectContaining({
      because: 'no_link',
      msg: 'the leaf has no link to a hub, although a hub accepts connections; it is started again',
    }),
  );
  network.resume();
  await isLinked(leaf);
});

test('a leaf is not started again while its hub is away', async () => {
  const leaf = await linkedLeaf(hub.leafUrl);
  const { pid } = leaf.server;
  await hub.kill();
  await vi.waitFor(() => {
    expect(leaf.link.fault).toBe('hubs_unreachable');
    expect(performance.now() - leaf.link.since).toBeGreaterThan(3 * LIMIT_MS);
  });
  expect(leaf.link.restarts).toBe(0);
  expect(leaf.server.pid).toBe(pid);
  expect(warnings.map(({ msg }) => msg)).not.toContainEqual(expect.stringContaining('again'));
  await hub.restart();
  await isLinked(leaf);
});

test('a leaf that hangs is started again', async () => {
  const leaf = await linkedLeaf(hub.leafUrl);
  const { pid } = leaf.server;
  leaf.server.signal('SIGSTOP');
  await isAnotherProcess(leaf, pid);
  expect(warnings).toContainEqual(
    expect.objectContaining({
      because: 'leaf_silent',
      msg: 'the leaf does not answer; it is started again',
    }),
  );
  await isLinked(leaf);
});
