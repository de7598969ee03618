import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LogFile, logPath } from './log-file.ts';

test.skipIf(process.platform !== 'linux')(
  'lines that a full disk does not take (/dev/full of Linux) are counted, and the log goes on afterwards',
  async () => {
    const home = await mkdtemp(join(tmpdir(), 'dinf-log-'));
    const log = new LogFile(home);
    await symlink('/dev/full', logPath(home));
    log.add('one');
    log.add('two');
    await rm(logPath(home));
    log.add('three');
    log.add('four');
    expect(await readFile(logPath(home), 'utf8')).toBe(
      '2 lines could not be written here\nthree\nfour\n',
    );
    await rm(home, { recursive: true });
  },
);
