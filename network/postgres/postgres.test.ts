import { execFileSync } from 'node:child_process';
import { cpSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { expect, test } from 'vitest';
import { startLocalPostgres } from './postgres.ts';
import { linkedCopy, linkLibraries, postgresBinaries } from './postgres-binaries.ts';

async function ask(url: string, text: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

test('committed data survives a kill and is readable at the same address after the restart', async () => {
  await using postgres = await startLocalPostgres();
  const url = await postgres.createDatabase('kept');
  await ask(url, 'CREATE TABLE facts AS SELECT 42 AS answer');
  await postgres.kill();
  await postgres.restart();
  expect(await ask(url, 'SELECT answer FROM facts')).toEqual([{ answer: 42 }]);
});

test('a second start in the same home uses its data and password', async () => {
  // mkdtemp creates the folder with mode 0700, like a home.
  const dataDir = mkdtempSync(join(tmpdir(), 'dinf-home-'));
  try {
    {
      await using postgres = await startLocalPostgres({ dataDir });
      await ask(await postgres.createDatabase('mine'), 'CREATE TABLE facts AS SELECT 1 AS answer');
    }
    await using again = await startLocalPostgres({ dataDir });
    expect(await ask(await again.createDatabase('mine'), 'SELECT answer FROM facts')).toEqual([
      { answer: 1 },
    ]);
  } finally {
    rmSync(dataDir, { recursive: true });
  }
});

test('a wrong password is refused', async () => {
  await using postgres = await startLocalPostgres();
  const url = new URL(postgres.url);
  url.password = 'guessed';
  await expect(ask(url.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
});

test('library links that exist already are kept', async () => {
  const bin = await postgresBinaries();
  await expect(linkLibraries(bin)).resolves.toBeUndefined();
});

test('if the package is read-only, Postgres runs from a copy in the cache, which is made once', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'dinf-read-only-'));
  try {
    // npm leaves out all links, so the original has none.
    const original = join(folder, 'package');
    const native = await postgresBinaries();
    cpSync(join(dirname(native), 'package.json'), join(original, 'package.json'));
    cpSync(native, join(original, 'native'), {
      recursive: true,
      filter: (path) => !lstatSync(path).isSymbolicLink(),
    });
    const cache = join(folder, 'cache');
    mkdirSync(cache);
    const copies = await Promise.all([
      linkedCopy(join(original, 'native'), cache),
      linkedCopy(join(original, 'native'), cache),
    ]);
    expect(new Set(copies).size).toBe(1);
    expect(readdirSync(cache)).toHaveLength(1);
    const postgres = join(copies[0] as string, 'bin', 'postgres');
    expect(execFileSync(postgres, ['--version'], { encoding: 'utf8' })).toContain('PostgreSQL');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
