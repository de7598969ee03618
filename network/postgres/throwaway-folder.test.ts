import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { makeThrowawayFolder } from './throwaway-folder.ts';

test('a new folder removes the old ones of processes that were killed, and no others', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'dinf-throwaway-'));
  const { pid: ended } = spawnSync(process.execPath, ['--version']);
  const leave = async (name: string, age: number) => {
    const folder = join(parent, name);
    await mkdir(join(folder, 'data'), { recursive: true });
    await writeFile(join(folder, 'data', 'file'), 'x');
    const at = new Date(Date.now() - age);
    await utimes(folder, at, at);
  };
  const twoHours = 2 * 3_600_000;
  await leave(`dinf-thing-${ended}-a`, twoHours);
  await leave(`dinf-thing-${ended}-young`, 0);
  await leave(`dinf-thing-${process.pid}-running`, twoHours);
  await leave(`dinf-other-${ended}-a`, twoHours);
  await leave('dinf-thing-unnumbered', twoHours);

  const made = basename(await makeThrowawayFolder(parent, 'dinf-thing-'));

  expect(made).toMatch(new RegExp(`^dinf-thing-${process.pid}-`));
  expect((await readdir(parent)).sort()).toEqual(
    [
      `dinf-other-${ended}-a`,
      `dinf-thing-${ended}-young`,
      `dinf-thing-${process.pid}-running`,
      'dinf-thing-unnumbered',
      made,
    ].sort(),
  );
  await rm(parent, { recursive: true });
});
