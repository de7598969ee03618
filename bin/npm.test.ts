import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { explainNpmFailure, findNpm } from './npm.mjs';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dinf-npm-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('findNpm', () => {
  test('returns the npm that is installed beside the given Node, run under that Node', () => {
    const npm = join(folder, 'lib/node_modules/npm/bin');
    mkdirSync(npm, { recursive: true });
    writeFileSync(join(npm, 'npm-cli.js'), '');
    const node = join(folder, 'bin/node');
    expect(findNpm(node, {})).toEqual({
      command: node,
      args: [expect.stringContaining('npm-cli.js')],
    });
  });

  test('returns a shim on PATH otherwise, and undefined if there is none', () => {
    writeFileSync(join(folder, 'npm'), '');
    expect(findNpm('/nowhere/bin/node', { PATH: folder })).toEqual({
      command: join(folder, 'npm'),
      args: [],
    });
    expect(findNpm('/nowhere/bin/node', { PATH: '/nowhere' })).toBeUndefined();
  });
});

describe('explainNpmFailure gives the reason in one sentence', () => {
  test.each([
    ['npm error code ENOTFOUND\nnpm error network', 69, 'cannot reach the npm registry'],
    ['npm error code ENOSPC\nnpm error nospc', 74, 'the disk is full'],
    ['npm error code EACCES\nnpm error path /x', 74, 'no permission'],
    ['npm error code EINTEGRITY\nnpm error sha512', 1, 'does not match the checksum'],
    ['npm error code ELIFECYCLE\nnpm error failed', 1, 'ELIFECYCLE'],
    ['', 1, 'npm printed no error'],
  ])('%j', (output, exitCode, words) => {
    expect(explainNpmFailure('the packages', output)).toMatchObject({
      exitCode,
      message: expect.stringContaining(words),
    });
  });
});
