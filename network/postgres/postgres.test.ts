import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { expect, test } from 'vitest';
import { startLocalPostgres } from './postgres.ts';
import { linkLibraries, postgresBinaries } from './postgres-binaries.ts';

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
