import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { cacheFolder, findNatsServer } from '#provider';
import { foundNetwork, hubFolder } from './found-network.ts';
import { DEFAULT_HUB_PORTS } from './hub-ports.ts';
import { planSettings, planWith, readPlan } from './network-plan.ts';
import { openOperatorHome } from './operator-home.ts';

const NOW = Date.now();
const ONE = ['hub.example.org'];
const THREE = ['a.example.org@10.0.0.1', 'b.example.org@10.0.0.2', 'c.example.org@10.0.0.3'];
let home = '';
let homes = '';
beforeEach(async () => {
  homes = await mkdtemp(join(tmpdir(), 'dinf-found-'));
  home = join(homes, 'home');
});
afterEach(() => rm(homes, { recursive: true, force: true }));

/** Number of files that can be written before the next write fails, as a crash would end it. */
const crash = vi.hoisted(() => ({ after: Number.POSITIVE_INFINITY }));
vi.mock('#bus-schemas/saved-file.ts', async (original) => {
  const real = await original<typeof import('#bus-schemas/saved-file.ts')>();
  const write = () => {
    if (crash.after === 0) throw new Error('crash');
    crash.after -= 1;
  };
  return {
    ...real,
    readOrCreate: (path: string, make: () => Promise<string>) =>
      real.readOrCreate(path, async () => {
        write();
        return make();
      }),
    replace: async (...file: Parameters<typeof real.replace>) => {
      write();
      await real.replace(...file);
    },
  };
});

const keysFolder = () => join(home, 'keys');
const found = (hubs: readonly string[], ports = DEFAULT_HUB_PORTS) =>
  foundNetwork({
    home,
    keysFolder: keysFolder(),
    plan: planWith(readPlan(home), { hubs, ports }),
    now: NOW,
  });

const everyFile = async (): Promise<string[]> =>
  (await readdir(home, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .toSorted();

const contents = async () =>
  Object.fromEntries(
    await Promise.all(
      (await everyFile()).map(async (path) => [path, await readFile(path, 'utf8')] as const),
    ),
  );

const keys = async () =>
  Object.fromEntries(
    Object.entries(await contents()).filter(([path]) => path.startsWith(keysFolder())),
  );

describe('founding a network', () => {
  test('a second time changes nothing', async () => {
    expect((await found(THREE)).every(({ change }) => change === 'made')).toBe(true);
    const before = await contents();
    expect((await found(THREE)).every(({ change }) => change === 'kept')).toBe(true);
    expect(await contents()).toEqual(before);
  });

  test('continues after a crash before any of its writes', async () => {
    for (let writes = 0; ; writes += 1) {
      home = await mkdtemp(join(homes, 'crash-'));
      crash.after = writes;
      const crashed = await found(ONE).then(
        () => false,
        () => true,
      );
      crash.after = Number.POSITIVE_INFINITY;
      if (!crashed) {
        expect(writes).toBeGreaterThan(10);
        return;
      }
      const keysBefore = await keys();
      await found(ONE);
      // A key that was written before the crash is still in use.
      expect(await keys()).toMatchObject(keysBefore);
      await expect(openOperatorHome(keysFolder())).resolves.toBeDefined();
      expect(await found(ONE)).not.toContainEqual(expect.objectContaining({ change: 'differs' }));
    }
  });

  test('keeps every secret from other users of the machine', async () => {
    await found(ONE);
    for (const path of await everyFile()) {
      const { mode } = await stat(path);
      const isPublic = path.endsWith('hub-ca.pem') && path.includes('tls');
      expect(mode & 0o077, path).toBe(isPublic ? 0o044 : 0);
    }
  });

  test('adds a hub to a cluster and never overwrites the configuration of another one', async () => {
    await found(THREE);
    const first = join(hubFolder(home, { name: 'hub-1' }), 'nats-server.conf');
    await writeFile(first, `${await readFile(first, 'utf8')}# changed by the operator\n`);
    const before = await readFile(first, 'utf8');
    const changes = await found(['d.example.org@10.0.0.4']);
    expect(changes).toContainEqual({ path: first, change: 'differs' });
    expect(await readFile(first, 'utf8')).toBe(before);
    expect(await readFile(`${first}.new`, 'utf8')).toContain('nats-route://10.0.0.4:6222');
    expect(planSettings(home)['DINF_LEAF_URL']).toContain('tls://d.example.org:7422');
    expect(planSettings(home)['DINF_NATS_URL']).toContain('tls://10.0.0.4:4222');
  });

  test('gives no hub a monitoring port, which would show all connections to every program on its machine', async () => {
    await found(THREE);
    for (const name of ['hub-1', 'hub-2', 'hub-3']) {
      const config = await readFile(join(hubFolder(home, { name }), 'nats-server.conf'), 'utf8');
      expect(config).toMatch(/^port:/m);
      expect(config).not.toMatch(/^\s*(https?|monitor_port|https?_port)\s*:/m);
    }
  });

  test('works on without the identity key of the operator, and not with new keys', async () => {
    await found(ONE);
    await rm(join(keysFolder(), 'operator.nk'));
    expect((await found(ONE)).every(({ change }) => change === 'kept')).toBe(true);
    await rm(join(keysFolder(), 'operator-signing.nk'));
    await expect(found(ONE)).rejects.toThrow(/operator-signing.nk is missing/);
  });

  test.each(['', 'a@b@c', 'http://a', 'a b', '-a'])('refuses the hub "%s"', (hub) =>
    expect(() => planWith(undefined, { hubs: [hub], ports: DEFAULT_HUB_PORTS })).toThrow(/--hub/),
  );
});

test('nats-server accepts the configuration of every hub in its own folder', async () => {
  await found(THREE);
  const { path: binary } = await findNatsServer({ cacheDir: cacheFolder(process.env) });
  for (const name of ['hub-1', 'hub-2', 'hub-3']) {
    const cwd = hubFolder(home, { name });
    const checked = promisify(execFile)(binary, ['-t', '-c', 'nats-server.conf'], { cwd });
    expect((await checked).stderr).toContain('is valid');
  }
});
