import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { runNpm, SetupError } from '#bin/npm.mjs';
import { codeHash, services } from '#bus-schemas';
import { EXIT } from '#bus-schemas/exit-codes.ts';
import { versionFolder } from '#bus-schemas/program-folders.mjs';
import { buildPackage } from '#packaging/npm/build-package.ts';
import { ControlClient } from '#provider/service/control-client.ts';
import { installByScript } from './installed-package.ts';
import { readStream } from './read-stream.ts';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

/**
 * A machine whose program was installed by the line of its network, and packages of newer versions
 * that the network offers one after the other.
 */
const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '..');
const CALL = { timeoutMs: 5_000 };
const chat = {
  model: 'sim-llama-8b',
  messages: [{ role: 'user', content: 'Which version are you?' }],
  max_tokens: 5,
};

interface OfferedPackage {
  readonly version: string;
  readonly sha256: string;
  readonly bytes: Buffer;
}

let folder: string;
let prefix: string;
let home: string;
let firstPackage: string;
let network: TestNetwork;
let door: Server;
/** What the network offers. The installer of a coordinator offers one package from its start on. */
let offered: OfferedPackage;
/** What it offers to machines of the channel `beta`, if that is something else. */
let offeredBeta: OfferedPackage | undefined;
let unreachable: string | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dinf-updates-'));
  [prefix, home] = [join(folder, 'prefix'), join(folder, 'machine')];
  firstPackage = (await buildPackage(ROOT, join(folder, 'first'))).path;
  try {
    await installByScript({ packageFile: firstPackage, folder, prefix });
  } catch (error) {
    if (!(error instanceof SetupError && error.exitCode === EXIT.unavailable)) throw error;
    unreachable = error.message;
    return;
  }
  offered = await offeredFrom(firstPackage, 'first');
  network = await startTestNetwork({ providers: 0, tokenMs: 2 });
  door = createServer((incoming, reply) => {
    const isBeta = incoming.url === '/install/offer.json?channel=beta';
    const { version, sha256, bytes } = (isBeta && offeredBeta) || offered;
    if (isBeta || incoming.url === '/install/offer.json')
      return reply.end(JSON.stringify({ version, sha256, bytes: bytes.length }));
    const asked = [offered, offeredBeta].find(
      (each) => incoming.url === `/install/d-inference-${each?.version}.tgz`,
    );
    if (asked !== undefined) return reply.end(asked.bytes);
    const { method, headers } = incoming;
    const onward = request(new URL(incoming.url ?? '/', network.url), { method, headers });
    onward.once('response', (answer) => {
      reply.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(reply);
    });
    onward.once('error', () => reply.destroy());
    return incoming.pipe(onward);
  });
  await new Promise<void>((listening) => door.listen(0, '127.0.0.1', listening));
}, 300_000);
beforeEach(({ skip }) => skip(unreachable !== undefined, unreachable));
afterAll(async () => {
  if (unreachable === undefined) {
    await dinf('stop');
    door.close();
    door.closeAllConnections();
    await network.expectMoneyBalances();
    await network[Symbol.asyncDispose]();
  }
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
});

const coordinator = () => `http://127.0.0.1:${(door.address() as AddressInfo).port}`;

async function dinf(command: string, ...args: string[]): Promise<string> {
  const { stdout } = await run(
    join(prefix, 'bin', 'dinf'),
    ['provider', command, '--home', home, ...args],
    {
      env: {
        ...process.env,
        DINF_HOME: join(folder, 'dinf'),
        DINF_CACHE: join(folder, 'cache'),
        PATH: `${dirname(process.execPath)}:${process.env['PATH']}`,
        // The simulated engine needs no native part, whose build takes a minute.
        CXX: '/no/compiler',
        npm_config_prefer_offline: 'true',
        npm_lifecycle_event: undefined,
      },
      timeout: 240_000,
    },
  );
  return stdout;
}

interface Variant {
  readonly version: string;
  /** Files of the package with other content. */
  readonly changed?: Readonly<Record<string, string>>;
  readonly isRelease?: boolean;
}

/** Offers the first package with another version number, and with other files. */
async function offer({ version, changed = {}, isRelease = true }: Variant): Promise<string> {
  const made = join(folder, version);
  await mkdir(made);
  await run('tar', ['-xzf', firstPackage, '-C', made]);
  const root = join(made, 'package');
  for (const name of ['package.json', 'npm-shrinkwrap.json']) {
    const manifest = JSON.parse(await readFile(join(root, name), 'utf8'));
    await writeFile(
      join(root, name),
      `${JSON.stringify({ ...manifest, version }, undefined, 2)}\n`,
    );
  }
  for (const [name, text] of Object.entries(changed)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), text);
  }
  await runNpm({
    node: process.execPath,
    args: ['pack', '--ignore-scripts', '--pack-destination', made],
    cwd: root,
    what: 'the package',
  });
  if (isRelease)
    await network.network.coordinator.bus.call(
      services.releases.add,
      { version, codeHash: codeHash(root) },
      CALL,
    );
  offered = await offeredFrom(join(made, `d-inference-${version}.tgz`), version);
  return versionFolder(offered);
}

async function offeredFrom(file: string, version: string): Promise<OfferedPackage> {
  const bytes = await readFile(file);
  return { version, bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
}

const runningVersion = async () => (await new ControlClient(home).hello())?.version;
const isInstalled = (name: string) => existsSync(join(prefix, 'lib', 'd-inference', name));
const updateFails = (message: RegExp) =>
  expect(dinf('update')).rejects.toMatchObject({ stderr: expect.stringMatching(message) });
const expectAnswer = () =>
  expect.poll(async () => (await readStream(network, chat)).status, { timeout: 60_000 }).toBe(200);

test('a machine is updated to the version that its network offers, and serves with it', {
  timeout: 300_000,
}, async () => {
  const installed = join(
    prefix,
    'lib',
    'd-inference',
    readdirSync(join(prefix, 'lib/d-inference'))[0] ?? '',
  );
  const { bus } = network.network.coordinator;
  const code = codeHash(join(installed, 'lib/node_modules/d-inference'));
  await bus.call(services.releases.add, { version: 'first', codeHash: code }, CALL);
  const token = await network.network.enrolToken();
  const options = ['--coordinator', coordinator(), '--engine', 'simulated', '--token', token];
  await dinf('start', ...options);
  await expectAnswer();
  const before = await runningVersion();

  const name = await offer({ version: '1000.0.1' });
  expect(await dinf('update', '--check')).toMatch(/^Version 1000\.0\.1 is available\./m);
  expect(await dinf('update')).toMatch(/^Version 1000\.0\.1 is in use\.$/m);
  expect([before, await runningVersion()]).toEqual([expect.not.stringMatching('1000'), '1000.0.1']);
  expect(isInstalled(name)).toBe(true);
  await expectAnswer();
  expect(await dinf('update')).toMatch(/^Version 1000\.0\.1 is in use, and .* offers no other\.$/m);
});

test('a machine takes the version of the channel beta if its owner chooses it, and status names the channel', {
  timeout: 600_000,
}, async () => {
  const stable = offered;
  await offer({ version: '1000.1.0-beta.1' });
  [offered, offeredBeta] = [stable, offered];
  expect(await dinf('update')).toMatch(/^Version 1000\.0\.1 is in use/m);
  expect(await dinf('update', '--channel', 'beta')).toMatch(
    /^Later versions come from the channel beta\.$[\s\S]*^Version 1000\.1\.0-beta\.1 is in use\.$/m,
  );
  await expect.poll(() => dinf('status')).toMatch(/^updates +newer .*, from the channel beta$/m);
  await expectAnswer();
  // The owner goes back, which only an order of their own can do.
  const toStable = ['--channel', 'stable'];
  await expect(dinf('update', ...toStable)).rejects.toMatchObject({
    stderr: expect.stringMatching(
      /offers version 1000\.0\.1 in the channel stable, which is older/,
    ),
  });
  expect(await dinf('update', ...toStable, '--allow-older')).toMatch(/1000\.0\.1 is in use\.$/m);
  offeredBeta = undefined;
  await expectAnswer();
});

test('a version that does not serve is replaced by the version before it', {
  timeout: 300_000,
}, async () => {
  await offer({
    version: '1000.0.2',
    changed: { 'cli/provider/worker-command.js': "throw new Error('this version is broken');\n" },
  });
  await updateFails(/Version 1000\.0\.2 .*, so the version before it runs again\./);
  expect(await runningVersion()).toBe('1000.0.1');
  await expect
    .poll(() => dinf('status'))
    .toMatch(/^update +Version 1000\.0\.2 .* so the version before it runs/m);
  await expectAnswer();
});

test.each<[string, RegExp, Variant]>([
  [
    'whose code is no release',
    /whose code \([0-9a-f]{64}\) is no active release in its log, so it was deleted/,
    { version: '1000.0.3', isRelease: false, changed: { 'provider/mod.js': '// spies\n' } },
  ],
  [
    'that does not start',
    /The new version does not start, so it was deleted/,
    { version: '1000.0.4', changed: { 'cli/program.js': "throw new Error('no');\n" } },
  ],
  [
    'that is older',
    /offers version 0\.0\.1 in the channel stable, which is older than 1000\.0\.1\. --allow-older installs it\./,
    { version: '0.0.1' },
  ],
])(
  'a package %s is not used, and the machine goes on serving',
  {
    timeout: 240_000,
  },
  async (_, message, variant) => {
    const name = await offer(variant);
    await updateFails(message);
    expect(isInstalled(name)).toBe(false);
    expect(await runningVersion()).toBe('1000.0.1');
    await expectAnswer();
  },
);
