import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  cacheFolder,
  type Enrolment,
  findNatsServer,
  type Leaf,
  type NatsServer,
  startLeaf,
} from '#provider';
import { HubUpdates } from './hub-updates.ts';
import { enrolledAt, startPlainHub } from './leaf/plain-hub-under-test.ts';

/** Longer than both intervals at which the coordinator is asked, in milliseconds. */
const LONG_MS = 11 * 60_000;
/** A check of the link takes a sixth of this, so that a lost hub is noticed soon. */
const WITHOUT_LINK_MS = 3_000;
const log = pino({ level: 'silent' });

let binary: string;
let stack: AsyncDisposableStack;
let home: string;
let first: NatsServer;
let second: NatsServer;
let named: string[];
let coordinatorUrl: string;
let leaf: Leaf;
let isIdle: boolean;
let now: number;
/** Number of times that the leaf was told to read its configuration again. */
let reloads: number;
let updates: HubUpdates;

const startHub = async (name: string) => stack.use(await startPlainHub(join(home, name)));

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  home = await mkdtemp(join(tmpdir(), 'dinf-hubs-'));
  stack.defer(() => rm(home, { recursive: true, force: true, maxRetries: 3 }));
  ({ path: binary } = await findNatsServer({ cacheDir: cacheFolder(process.env) }));
  first = await startHub('first');
  second = await startHub('second');
  named = [first.leafUrl];
  const coordinator = createServer((_request, response) =>
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ leaf_urls: named, hub_ca: null })),
  );
  await new Promise<void>((done) => coordinator.listen(0, '127.0.0.1', done));
  stack.defer(() => void coordinator.close());
  coordinatorUrl = `http://127.0.0.1:${(coordinator.address() as AddressInfo).port}`;
  const enrolment = await enrolledAt([first.leafUrl], home);
  leaf = stack.use(
    await startLeaf({
      binary,
      home: join(home, 'leaf'),
      enrolments: [enrolment],
      withoutLinkMs: WITHOUT_LINK_MS,
      log,
    }),
  );
  await vi.waitFor(async () => {
    expect(leaf.link.fault).toBeUndefined();
    expect(await leavesOf(first)).toBe(1);
  });
  now = 0;
  reloads = 0;
  const counted: Pick<Leaf, 'link' | 'reload'> = {
    get link() {
      return leaf.link;
    },
    reload: (hubs) => {
      reloads += 1;
      return leaf.reload(hubs);
    },
  };
  isIdle = true;
  updates = stack.use(
    new HubUpdates({
      home,
      enrolment,
      coordinatorUrl,
      leaf: counted,
      isIdle: () => isIdle,
      log,
      clock: () => now,
    }),
  );
});
afterEach(() => stack.disposeAsync());

async function askAgain(): Promise<void> {
  now += LONG_MS;
  await updates.tick();
}
/** Number of leaves that are connected to the hub. */
async function leavesOf({ monitorUrl }: NatsServer): Promise<number> {
  const response = await fetch(`${monitorUrl}/leafz`);
  return ((await response.json()) as { leafnodes: number }).leafnodes;
}
/** Waits until the leaf is connected to the second hub and to no other. */
const isLinkedToSecond = () =>
  vi.waitFor(async () => {
    expect(await leavesOf(second)).toBe(1);
    expect(await leavesOf(first).catch(() => 0)).toBe(0);
  });
const savedHubs = async () =>
  (JSON.parse(await readFile(join(home, 'enrolment.json'), 'utf8')) as Enrolment).leafUrls;

describe('a running machine', () => {
  test('whose hub is replaced connects to the new hub, also after its next start', async () => {
    named = [second.leafUrl];
    const { pid } = leaf.server;
    await askAgain();
    await isLinkedToSecond();
    expect(await savedHubs()).toEqual(named);
    expect(leaf.server.pid).toBe(pid);
  });

  test('keeps its link while a job runs, and changes it when the job has ended', async () => {
    isIdle = false;
    named = [second.leafUrl];
    await askAgain();
    expect(await savedHubs()).toEqual(named);
    await updates.tick();
    expect([reloads, await leavesOf(first), await leavesOf(second)]).toEqual([0, 1, 0]);
    isIdle = true;
    await updates.tick();
    await isLinkedToSecond();
  });

  test('whose only hub is gone asks the coordinator soon, and connects in spite of a job', async () => {
    isIdle = false;
    named = [second.leafUrl];
    await first.kill();
    await vi.waitFor(() => expect(leaf.link.fault).toBe('hubs_unreachable'));
    now += 30_000;
    await updates.tick();
    await isLinkedToSecond();
  });

  test('whose coordinator names the same hubs in another order keeps its link', async () => {
    named = [second.leafUrl, first.leafUrl];
    await askAgain();
    expect(reloads).toBe(1);
    const saved = await savedHubs();
    named = named.toReversed();
    await askAgain();
    expect(reloads).toBe(1);
    expect(await savedHubs()).toEqual(saved);
  });
});
