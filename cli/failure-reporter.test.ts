import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

const VITEST = join(dirname(import.meta.dirname), 'node_modules/vitest/vitest.mjs');
const REPORTER = join(import.meta.dirname, 'failure-reporter.ts');

/** What vitest prints with only this reporter for a folder with these test files. */
async function printed(files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'dinf-reporter-'));
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    const args = [VITEST, 'run', '--globals', '--root', folder, `--reporter=${REPORTER}`];
    return await new Promise((resolve) => {
      execFile(process.execPath, args, (_error, stdout) => resolve(stdout));
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test('a failed test, a failed hook and a file that does not load are each printed with the reason', async () => {
  const output = await printed({
    'sums.test.mjs': `test('adds up', () => expect(1 + 1).toBe(3)); test('passes', () => {});`,
    'hooks.test.mjs': `describe('a group', () => {
      beforeAll(() => { throw new Error('no room'); });
      test('never runs', () => {});
    });`,
    'broken.test.mjs': `throw new Error('not today');`,
  });
  expect(output).toMatch(/FAILED {2}sums\.test\.mjs > adds up\nexpected 2 to be 3/);
  expect(output).toMatch(/FAILED {2}hooks\.test\.mjs > a group\nno room/);
  expect(output).toMatch(/FAILED {2}broken\.test\.mjs\nnot today/);
  expect(output).not.toContain('passes');
});
