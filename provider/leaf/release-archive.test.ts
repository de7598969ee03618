import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { unpackVerified } from './release-archive.ts';

test('an archive with another digest is never unpacked', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'dinf-archive-'));
  try {
    const archive = Buffer.from('not what was pinned');
    await expect(
      unpackVerified({
        archive,
        sha256: '0'.repeat(64),
        name: 'nats-server-v0',
        folder,
        env: process.env,
      }),
    ).rejects.toMatchObject({
      code: 'digest_mismatch',
    });
    expect(existsSync(join(folder, 'release.tar.gz'))).toBe(false);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
