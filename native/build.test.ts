import { spawn, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { addonPath, buildNative, findCompiler } from './build.ts';

const ROOT = dirname(import.meta.dirname);
/**
 * An account other than root. /proc's owner shows who may read a process's memory, but root may
 * always read it.
 */
const UNPRIVILEGED_UID = 65_534;

/** Creates a checkout with the sources and the headers, in which nothing is built. */
function freshCheckout(): string {
  const root = freshPackage();
  writeFileSync(join(root, 'package-lock.json'), '{}');
  return root;
}

/** Creates an installed package, which differs from a checkout by having no package-lock.json. */
function freshPackage(): string {
  const root = mkdtempSync(join(tmpdir(), 'dinf-native-'));
  mkdirSync(join(root, 'native'));
  cpSync(join(ROOT, 'native/hardening'), join(root, 'native/hardening'), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  writeFileSync(join(root, 'package.json'), '{ "version": "1.2.3" }');
  chmodSync(root, 0o755);
  return root;
}

afterEach(() => vi.unstubAllEnvs());

test('without a compiler, the build prints what will not work and how to install one, and does not fail', async () => {
  const root = freshCheckout();
  vi.stubEnv('CXX', '');
  vi.stubEnv('PATH', root);
  const lines: string[] = [];
  expect(
    await buildNative({ root, only: ['hardening'], print: (line) => lines.push(line) }),
  ).toEqual({ state: 'no_compiler' });
  expect(lines).toEqual([
    expect.stringMatching(
      /no C\+\+ compiler.*debuggers.*Everything else works.*To install a compiler/,
    ),
  ]);
  expect(existsSync(addonPath(root, 'hardening'))).toBe(false);
  rmSync(root, { recursive: true });
});

describe.skipIf(findCompiler() === undefined)('with a compiler', () => {
  let root: string;
  const lines: string[] = [];
  const build = () => buildNative({ root, only: ['hardening'], print: (line) => lines.push(line) });

  beforeAll(async () => {
    root = freshCheckout();
    expect(await build()).toEqual({ state: 'built' });
  });
  afterAll(() => rmSync(root, { recursive: true }));

  /** Runs code with the addon as `addon` in a child process, because hardening cannot be undone. */
  async function inChild<T>(code: string, unprivileged = false): Promise<T> {
    const script = `const addon = require(${JSON.stringify(addonPath(root, 'hardening'))});${code}`;
    const user =
      unprivileged && process.getuid?.() === 0
        ? { uid: UNPRIVILEGED_UID, gid: UNPRIVILEGED_UID }
        : {};
    const child = spawn(process.execPath, ['-e', script], {
      ...user,
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const failed = new Promise<never>((_, reject) => child.once('error', reject));
    return JSON.parse(await Promise.race([text(child.stdout), failed])) as T;
  }

  /**
   * Another account can run Node only if it may enter all folders above it. A home folder of mode
   * 0700 prevents that, so this tries to run Node.
   */
  const canRunUnprivileged = () =>
    spawnSync(process.execPath, ['--version'], {
      uid: UNPRIVILEGED_UID,
      gid: UNPRIVILEGED_UID,
      cwd: root,
    }).status === 0;

  test('an installed package builds into the cache of the user, because its own folder may be read-only', async () => {
    const installed = freshPackage();
    const cache = join(root, 'cache of the user');
    vi.stubEnv('DINF_CACHE', cache);
    expect(
      await buildNative({
        root: installed,
        only: ['hardening'],
        print: (line) => lines.push(line),
      }),
    ).toEqual({ state: 'built' });
    expect(addonPath(installed, 'hardening')).toBe(join(cache, 'native-1.2.3', 'hardening.node'));
    expect(existsSync(addonPath(installed, 'hardening'))).toBe(true);
    expect(existsSync(join(installed, 'native/build'))).toBe(false);
    rmSync(installed, { recursive: true });
  });

  test('of several programs that start at once, one builds and the others wait for it', async () => {
    const fresh = freshCheckout();
    const start = async () => {
      const printed: string[] = [];
      const print = (line: string) => printed.push(line);
      return { ...(await buildNative({ root: fresh, only: ['hardening'], print })), printed };
    };
    const ended = await Promise.all([start(), start(), start()]);
    expect(ended.map(({ state }) => state).toSorted()).toEqual(['built', 'current', 'current']);
    for (const { state, printed } of ended)
      expect(printed).toEqual([
        state === 'built'
          ? 'building native/hardening'
          : expect.stringMatching(/^waiting for process/),
      ]);
    rmSync(fresh, { recursive: true });
  });

  test('an addon that is current is not built again, and nothing is printed', async () => {
    lines.length = 0;
    expect(await build()).toEqual({ state: 'current' });
    expect(lines).toEqual([]);
  });

  test('the system reports that a hardened process may not write a core file', async () => {
    const { outcomes, limit } = await inChild<{ outcomes: unknown; limit: unknown }>(`
      process.report.excludeNetwork = true;
      const outcomes = addon.hardenProcess();
      const limit = process.report.getReport().userLimits.core_file_size_blocks;
      console.log(JSON.stringify({ outcomes, limit }));`);
    expect(outcomes).toEqual([
      { measure: 'debugger_denied', done: true },
      { measure: 'core_dumps_off', done: true },
    ]);
    expect(limit).toMatchObject({
      soft: expect.toBeOneOf([0, '0']),
      hard: expect.toBeOneOf([0, '0']),
    });
  });

  test.skipIf(process.platform !== 'linux')(
    'the account that runs a hardened process cannot read its memory: /proc shows root as the owner',
    async (context) => {
      if (process.getuid?.() === 0 && !canRunUnprivileged())
        context.skip('only root can run this Node, and root may read any process');
      const owners = await inChild<{ before: number; after: number; uid: number }>(
        `const owner = () => require('node:fs').statSync('/proc/' + process.pid + '/mem').uid;
      const before = owner();
      addon.hardenProcess();
      console.log(JSON.stringify({ before, after: owner(), uid: process.getuid() }));`,
        true,
      );
      expect(owners.before).toBe(owners.uid);
      expect(owners.after).toBe(0);
      expect(owners.uid).not.toBe(0);
    },
  );

  test('if sources do not compile, the compiler’s output is reported and the addon of older sources is removed', async () => {
    appendFileSync(join(root, 'native/hardening/hardening.cc'), '\n#error this must not compile\n');
    lines.length = 0;
    expect(await build()).toMatchObject({
      state: 'failed',
      addon: 'hardening',
      log: expect.stringContaining('this must not compile'),
    });
    expect(lines.at(-1)).toContain('Everything else works');
    expect(existsSync(addonPath(root, 'hardening'))).toBe(false);
    expect(await build()).toMatchObject({ state: 'failed' });
  });
});
