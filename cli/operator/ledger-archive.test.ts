import { afterEach, expect, test, vi } from 'vitest';
import { addMonths, monthOf } from '#coordinator/months.ts';
import { archive } from './ledger-archive.ts';

afterEach(() => vi.unstubAllEnvs());

test('months that the settings keep online are not archived', async () => {
  vi.stubEnv('DATABASE_URL', 'postgres://nobody@127.0.0.1:1/none');
  vi.stubEnv('DINF_LEDGER_ONLINE_MONTHS', '3');
  const newest = addMonths(monthOf(Date.now()), -3);
  await expect(archive({ before: addMonths(newest, 1), to: '/nowhere' })).rejects.toThrow(
    `--before may be at most ${newest}`,
  );
  // The newest month that is allowed fails only at the database.
  await expect(archive({ before: newest, to: '/nowhere' })).rejects.toThrow('cannot be used');
});
