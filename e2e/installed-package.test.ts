import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { SetupError } from '#bin/npm.mjs';
import { codeHash, hex } from '#bus-schemas';
import { EXIT } from '#bus-schemas/exit-codes.ts';
import { findCompiler } from '#native/build.ts';
import { type InstalledPackage, installPackage } from './installed-package.ts';

const run = promisify(execFile);
const MODULES = resolve(import.meta.dirname, '..', 'node_modules');

let installed: InstalledPackage;
let unreachable: string | undefined;
beforeAll(async () => {
  try {
    installed = await installPackage();
  } catch (error) {
    if (!(error instanceof SetupError && error.exitCode === EXIT.unavailable)) throw error;
    unreachable = error.message;
  }
}, 240_000);
beforeEach(({ skip }) => skip(unreachable !== undefined, unreachable));
afterAll(() => installed?.[Symbol.asyncDispose]());

test('the install line leaves nothing but the program, and prints the next command', () => {
  const { prefix, installer } = installed;
  expect(installer.printed).toMatch(
    /^Downloading http:\/\/127\.0\.0\.1:\d+\/install\/d-inference-/,
  );
  expect(installer.printed).toMatch(
    new RegExp(
      `\n  ${prefix}/bin/dinf provider start --link --coordinator http://127\\.0\\.0\\.1:\\d+\n`,
    ),
  );
  expect(readdirSync(installer.home)).toEqual([]);
});

test('without a C++ compiler the installed program works and prints what is missing', async () => {
  const printed = await installed.dinf(['release', 'hash'], {
    CXX: '/no/compiler',
    DINF_CACHE: join(installed.home, 'cache-without-compiler'),
  });
  expect(printed).toContain('no C++ compiler was found');
  expect(printed).toContain(hex(codeHash(installed.root)));
});

test('the help lists no command for changing the repository', async () => {
  const help = await installed.dinf(['--help']);
  expect(help).toMatch(/^ {2}provider /m);
  expect(help).toMatch(/^ {2}proxy /m);
  expect(help).not.toMatch(/^ {2}(test|bench|package) /m);
  expect(await installed.dinf(['provider', '--help'])).toContain('--coordinator');
  expect(await installed.dinf(['proxy', '--help'])).toContain('--coordinator');
});

/** A compiler that does not optimise, because that takes most of the time. */
async function quickCompiler(): Promise<NodeJS.ProcessEnv> {
  const compiler = findCompiler();
  if (compiler === undefined) return {};
  const quick = join(installed.home, 'quick-compiler');
  await writeFile(quick, `#!/bin/sh\nexec '${compiler}' "$@" -O0\n`, { mode: 0o755 });
  return { CXX: quick };
}

test('dinf up of another user than the one who installed reaches its first answer', {
  timeout: 400_000,
}, async () => {
  const up = await installed.up(['--providers', '1', '--token-ms', '1'], await quickCompiler());
  try {
    const lines = up.logs().join('\n');
    const url = /base URL\s+(\S+)/.exec(lines)?.[1];
    const key = /API key\s+(\S+)/.exec(lines)?.[1];
    const answer = await fetch(`${url}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'tiny',
        messages: [{ role: 'user', content: 'What is 12 + 30?' }],
      }),
    });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ choices: [{ message: { content: '42' } }] });
  } finally {
    expect(await up.stop()).toEqual({ code: 0, signal: null });
  }
  expect(existsSync(join(installed.home, '.dinf', 'keys'))).toBe(true);
  const cache = process.platform === 'darwin' ? 'Library/Caches' : '.cache';
  expect(readdirSync(join(installed.home, cache, 'd-inference'))).toContainEqual(
    expect.stringMatching(/^native-/),
  );
});

test('a customer’s program imports the client in JavaScript and type-checks it in TypeScript', async () => {
  const folder = join(installed.folder, 'customer');
  await mkdir(join(folder, 'node_modules'), { recursive: true });
  await symlink(installed.root, join(folder, 'node_modules', 'd-inference'));
  const program = "import { SealedClient } from 'd-inference/client';\n";
  await writeFile(join(folder, 'use.mjs'), `${program}console.log(typeof SealedClient);\n`);
  expect((await run(process.execPath, [join(folder, 'use.mjs')])).stdout).toBe('function\n');
  await writeFile(
    join(folder, 'use.ts'),
    `${program}export const coordinator = (client: SealedClient) => client.noSuchMember;\n`,
  );
  await writeFile(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        module: 'nodenext',
        target: 'es2024',
        strict: true,
        noEmit: true,
        types: ['node'],
        typeRoots: [join(MODULES, '@types')],
      },
      files: ['use.ts'],
    }),
  );
  const compiler = join(MODULES, 'typescript', 'bin', 'tsc');
  const printed = await run(process.execPath, [compiler, '-p', folder]).then(
    () => 'no error',
    ({ stdout }: { stdout: string }) => stdout,
  );
  // The only error is the wrong member, so the type of the client and all that it imports is known.
  expect(printed.trim().split('\n')).toEqual([
    expect.stringContaining("'noSuchMember' does not exist on type 'SealedClient'"),
  ]);
});
