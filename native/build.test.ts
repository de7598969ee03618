import { spawn, spawnSync } from 'node:child_process';
import { appendFileSync, chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { addonPath, buildNative, findCompiler } from './build.ts';

const ROOT = dirname(import.meta.dirname);
/** Any account that is not root: the kernel shows through /proc's owner who may look into a process, and root always may. */
const NOBODY = 65_534;

/** A checkout with the sources and the headers, and nothing built. */
function freshCheckout(): string {
  const root = mkdtempSync(join(tmpdir(), 'dinf-native-'));
  mkdirSync(join(root, 'native'));
  cpSync(join(ROOT, 'native/hardening'), join(root, 'native/hardening'), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  chmodSync(root, 0o755);
  return root;
}

afterEach(() => vi.unstubAllEnvs());

test('without a compiler it says what is lost and how to get one, and goes on', async () => {
  const root = freshCheckout();
  vi.stubEnv('CXX', '');
  vi.stubEnv('PATH', root);
  const said: string[] = [];
  expect(await buildNative({ root, only: ['hardening'], say: (line) => said.push(line) })).toEqual({ state: 'no_compiler' });
  expect(said).toEqual([expect.stringMatching(/no C\+\+ compiler.*debuggers.*All else works.*To get it/)]);
  expect(existsSync(addonPath(root, 'hardening'))).toBe(false);
  rmSync(root, { recursive: true });
});

describe.skipIf(findCompiler() === undefined)('with a compiler', () => {
  let root: string;
  const said: string[] = [];
  const build = () => buildNative({ root, only: ['hardening'], say: (line) => said.push(line) });

  beforeAll(async () => {
    root = freshCheckout();
    expect(await build()).toEqual({ state: 'built' });
  });
  afterAll(() => rmSync(root, { recursive: true }));

  /** Runs code with the addon as `addon` in a process of its own: what it does to a process is for good. */
  async function inChild<T>(code: string, asNobody = false): Promise<T> {
    const script = `const addon = require(${JSON.stringify(addonPath(root, 'hardening'))});${code}`;
    const user = asNobody && process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
    const child = spawn(process.execPath, ['-e', script], { ...user, cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
    const failed = new Promise<never>((_, reject) => child.once('error', reject));
    return JSON.parse(await Promise.race([text(child.stdout), failed])) as T;
  }

  /** Every folder above Node must let others pass, which a home of mode 0700 does not: only trying tells. */
  const nobodyMayRun = () => spawnSync(process.execPath, ['--version'], { uid: NOBODY, gid: NOBODY, cwd: root }).status === 0;

  test('what is built already is left alone, silently', async () => {
    said.length = 0;
    expect(await build()).toEqual({ state: 'current' });
    expect(said).toEqual([]);
  });

  test('a hardened process may write no core file, by what the system reports afterwards', async () => {
    const { outcomes, limit } = await inChild<{ outcomes: unknown; limit: unknown }>(`
      process.report.excludeNetwork = true;
      const outcomes = addon.hardenProcess();
      const limit = process.report.getReport().userLimits.core_file_size_blocks;
      console.log(JSON.stringify({ outcomes, limit }));`);
    expect(outcomes).toEqual([
      { measure: 'debugger_denied', done: true },
      { measure: 'core_dumps_off', done: true },
    ]);
    expect(limit).toMatchObject({ soft: expect.toBeOneOf([0, '0']), hard: expect.toBeOneOf([0, '0']) });
  });

  test.skipIf(process.platform !== 'linux')('a hardened process is not its own account’s to look into: /proc gives it to root', async (context) => {
    if (process.getuid?.() === 0 && !nobodyMayRun()) context.skip('only root can run this Node, and root may look into any process');
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
  });

  test('sources that do not compile are reported with the compiler’s words, and the addon that works stays', async () => {
    appendFileSync(join(root, 'native/hardening/hardening.cc'), '\n#error no such luck\n');
    said.length = 0;
    expect(await build()).toMatchObject({ state: 'failed', addon: 'hardening', log: expect.stringContaining('no such luck') });
    expect(said.at(-1)).toContain('All else works');
    expect(await inChild<string>('console.log(JSON.stringify(typeof addon.hardenProcess));')).toBe('function');
  });
});
