import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isSafeHub } from '#bus-schemas';
import { findNatsServer } from './nats-server-binary.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dinf-nats-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A program that prints a version and does nothing else. */
function program(path: string, version: string): string {
  mkdirSync(join(path, '..'), { recursive: true });
  chmodSync(join(path, '..'), 0o755);
  writeFileSync(path, `#!/bin/sh\necho "nats-server: v${version}"\n`);
  chmodSync(path, 0o755);
  return path;
}

describe('versions', () => {
  test.each([
    ['2.14.0', true],
    ['2.15.1', true],
    ['3.0.0', true],
    ['2.14.0-preview.1', false],
    ['2.13.9', false],
    ['2.9.10', false],
  ])('%s is new enough: %s', (version, enough) => {
    expect(isSafeHub(version)).toBe(enough);
  });
});

describe('finding a nats-server', () => {
  const find = (env: NodeJS.ProcessEnv) => findNatsServer({ cacheDir: join(folder, 'cache'), env });

  test('the program that DINF_NATS_SERVER names is preferred', async () => {
    const named = program(join(folder, 'named'), '2.14.2');
    program(join(folder, 'bin/nats-server'), '2.15.0');
    await expect(find({ DINF_NATS_SERVER: named, PATH: join(folder, 'bin') })).resolves.toEqual({
      path: named,
      version: '2.14.2',
      source: 'environment',
    });
  });

  test('without it, PATH is searched first and then the cache', async () => {
    const onPath = program(join(folder, 'bin/nats-server'), '2.15.0');
    const cached = program(join(folder, 'cache/nats-server/nats-server'), '2.14.1');
    await expect(find({ PATH: join(folder, 'bin') })).resolves.toMatchObject({
      path: onPath,
      source: 'path',
    });
    await expect(find({ PATH: '/nowhere' })).resolves.toMatchObject({
      path: cached,
      source: 'cache',
    });
  });

  test('a program on PATH that is too old is passed over', async () => {
    program(join(folder, 'bin/nats-server'), '2.9.10');
    const cached = program(join(folder, 'cache/nats-server/nats-server'), '2.14.1');
    await expect(find({ PATH: join(folder, 'bin') })).resolves.toMatchObject({ path: cached });
  });

  test.each([
    ['too old', '2.9.10', 'binary_too_old'],
    ['no nats-server at all', 'nonsense', 'binary_unusable'],
  ])('a named program that is %s is an error that names it', async (_, version, code) => {
    const named = program(join(folder, 'named'), version);
    await expect(find({ DINF_NATS_SERVER: named })).rejects.toMatchObject({
      code,
      message: expect.stringContaining(named),
    });
  });

  test('a named program that is not executable is an error that names it', async () => {
    const named = program(join(folder, 'named'), '2.15.0');
    chmodSync(named, 0o644);
    await expect(find({ DINF_NATS_SERVER: named })).rejects.toMatchObject({
      code: 'binary_unusable',
      message: expect.stringContaining(named),
    });
  });

  test('a program on PATH that is not executable is passed over', async () => {
    chmodSync(program(join(folder, 'bin/nats-server'), '2.15.0'), 0o644);
    const cached = program(join(folder, 'cache/nats-server/nats-server'), '2.14.1');
    await expect(find({ PATH: join(folder, 'bin') })).resolves.toMatchObject({ path: cached });
  });

  test.each([
    ['the program itself', 'bin/nats-server'],
    ['its folder', 'bin'],
  ])('one on PATH is not run when others may write to %s', async (_, writable) => {
    const ran = join(folder, 'ran');
    const onPath = program(join(folder, 'bin/nats-server'), '2.15.0');
    writeFileSync(onPath, `#!/bin/sh\necho ran >${ran}\necho "nats-server: v2.15.0"\n`);
    const cached = program(join(folder, 'cache/nats-server/nats-server'), '2.14.1');
    chmodSync(join(folder, writable), 0o777);
    const said: string[] = [];
    await expect(
      findNatsServer({
        cacheDir: join(folder, 'cache'),
        env: { PATH: join(folder, 'bin') },
        log: (line) => said.push(line),
      }),
    ).resolves.toMatchObject({
      path: cached,
    });
    expect(existsSync(ran)).toBe(false);
    expect(said.join()).toContain(`other users may write to ${join(folder, writable)}`);
  });

  test('a DINF_NATS_SERVER that is not an absolute path is an error', async () => {
    await expect(find({ DINF_NATS_SERVER: 'nats-server' })).rejects.toMatchObject({
      code: 'binary_missing',
    });
  });
});
