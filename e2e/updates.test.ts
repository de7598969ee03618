import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { runNpm, SetupError } from '#bin/npm.mjs';
import { codeHash, services } from '#bus-schemas';
import { EXIT } from '#bus-schemas/exit-codes.ts';
import { versionFolder } from '#bus-schemas/program-folders.mjs';
import type { BuiltPackage } from '#packaging/npm/build-package.ts';
import type { LockFile, RepositoryManifest } from '#packaging/npm/manifest.ts';
import { ControlClient } from '#provider/service/control-client.ts';
import { installByScript } from './installed-package.ts';
import { packedProgram } from './made-once.ts';
import { readStream } from './read-stream.ts';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

/**
 * A machine whose program was installed by the line of its network, and packages of newer versions
 * that the network offers one after the other.
 */
const run = promisify(execFile);
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
let built: BuiltPackage;
let network: TestNetwork;
let door: Server;
/** What the network offers. The installer of a coordinator offers one package from its start on. */
let offered: OfferedPackage;
/** What it offers to machines of the channel `beta`, if that is something else. */
let offeredBeta: OfferedPackage | undefined;
let unreachable: string | undefined;
/** The npm that updates call, if it is not the installed one. */
let npm: string | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dinf-updates-'));
  [prefix, home] = [join(folder, 'prefix'), join(folder, 'machine')];
  built = await packedProgram();
  const firstPackage = await repack({ version: built.version }, join(folder, 'first'));
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
        DINF_NATS_SERVER: network.network.natsServer,
        PATH: `${dirname(process.execPath)}:${process.env['PATH']}`,
        // The simulated engine needs no native part, whose build takes a minute.
        CXX: '/no/compiler',
        npm_config_prefer_offline: 'true',
        npm_lifecycle_event: undefined,
        ...(npm !== undefined && { npm_execpath: npm }),
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
  /**
   * Whether npm packs it and installs all that it depends on, as for a release. The others are packed
   * without Postgres and WebGPU, which the simulated engine does not need and which are half of the work of an
   * installation, and updates to them do not call npm.
   */
  readonly isWhole?: boolean;
}

/**
 * Installs a package without npm, which takes 15 s of processor time: unpacks it, and links the
 * dependencies that npm has installed for another version.
 */
const linkingNpm = (dependencies: string) => `
const { execFileSync } = require('node:child_process');
const { chmodSync, mkdirSync, symlinkSync } = require('node:fs');
const { join } = require('node:path');
const args = process.argv.slice(2);
const prefix = args[args.indexOf('--prefix') + 1];
const root = join(prefix, 'lib/node_modules/d-inference');
for (const folder of [root, join(prefix, 'bin')]) mkdirSync(folder, { recursive: true });
execFileSync('tar', ['-xzf', args.at(-1), '-C', root, '--strip-components=1']);
symlinkSync(${JSON.stringify(dependencies)}, join(root, 'node_modules'));
chmodSync(join(root, 'bin/dinf.mjs'), 0o755);
symlinkSync('../lib/node_modules/d-inference/bin/dinf.mjs', join(prefix, 'bin/dinf'));
`;

async function linkDependenciesOf(version: string): Promise<void> {
  const installed = join(prefix, 'lib/d-inference', version);
  const made = join(folder, 'linking');
  await mkdir(made);
  npm = join(made, 'npm-cli.js');
  await writeFile(npm, linkingNpm(join(installed, 'lib/node_modules/d-inference/node_modules')));
}

/** Packs the built package again into a folder, with another version number and other files. */
async function repack(
  { version, changed = {}, isWhole = false }: Variant,
  made: string,
): Promise<string> {
  await mkdir(made);
  await run('tar', ['-xzf', built.path, '-C', made]);
  const root = join(made, 'package');
  const [manifestFile, lockFile] = [join(root, 'package.json'), join(root, 'npm-shrinkwrap.json')];
  const manifest: RepositoryManifest = JSON.parse(await readFile(manifestFile, 'utf8'));
  const lock: LockFile = JSON.parse(await readFile(lockFile, 'utf8'));
  const differing = { version, ...(isWhole ? {} : { optionalDependencies: {} }) };
  const leftOut = isWhole ? [] : Object.keys(manifest.optionalDependencies);
  const packages = Object.entries(lock.packages)
    .filter(([path]) => !leftOut.some((name) => path === `node_modules/${name}`))
    .map(([path, locked]) => [path, path === '' ? { ...locked, ...differing } : locked]);
  await writeFile(manifestFile, JSON.stringify({ ...manifest, ...differing }));
  await writeFile(
    lockFile,
    JSON.stringify({ ...lock, version, packages: Object.fromEntries(packages) }),
  );
  for (const [name, text] of Object.entries(changed)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), text);
  }
  const file = join(made, `d-inference-${version}.tgz`);
  if (isWhole)
    await runNpm({
      node: process.execPath,
      args: ['pack', '--ignore-scripts', '--pack-destination', made],
      cwd: root,
      what: 'the package',
    });
  else await run('tar', ['-czf', file, '-C', made, 'package']);
  return file;
}

/** Offers such a package. */
async function offer(variant: Variant): Promise<string> {
  const { version, isRelease = true } = variant;
  const made = join(folder, version);
  const file = await repack(variant, made);
  if (isRelease)
    await network.network.coordinator.bus.call(
      services.releases.add,
      { version, codeHash: codeHash(join(made, 'package')) },
      CALL,
    );
  offered = await offeredFrom(file, version);
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

  const name = await offer({ version: '1000.0.1', isWhole: true });
  expect(await dinf('update', '--check')).toMatch(/^Version 1000\.0\.1 is available\./m);
  expect(await dinf('update')).toMatch(/^Version 1000\.0\.1 is in use\.$/m);
  expect([before, await runningVersion()]).toEqual([expect.not.stringMatching('1000'), '1000.0.1']);
  expect(isInstalled(name)).toBe(true);
  await expectAnswer();
  expect(await dinf('update')).toMatch(/^Version 1000\.0\.1 is in use, and .* offers no other\.$/m);
  await linkDependenciesOf(name);
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
