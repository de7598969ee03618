import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { eventStreams } from '#bus-schemas';
import { retainedTables } from './figures/retention.ts';
import { soak } from './soak.ts';

const isLinux = process.platform === 'linux';

test.skipIf(!isLinux)(
  `a short soak samples every process, event loop, table and stream${isLinux ? '' : ' (skipped: only Linux has /proc)'}`,
  { timeout: 120_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'dinf-soak-'));
    try {
      const file = join(folder, 'series.jsonl');
      const lines: string[] = [];
      const { samples, verdicts, failed } = await soak({
        minutes: 0.2,
        everyMs: 3_000,
        file,
        print: (line) => void lines.push(line),
      });
      expect([failed, lines.slice(1)]).toEqual([0, []]);
      expect(samples.length).toBeGreaterThanOrEqual(3);
      const written = readFileSync(file, 'utf8').trimEnd().split('\n');
      expect(written.map((line) => JSON.parse(line))).toEqual(samples);

      const last = samples.at(-1);
      expect(last?.requests).toBeGreaterThan(10);
      expect(Object.keys(last?.processes ?? {}).toSorted()).toEqual([
        'Postgres',
        'coordinator',
        'hub',
        'leaf',
        'machines',
      ]);
      for (const { pssMiB, ownMiB, files } of Object.values(last?.processes ?? {})) {
        expect(pssMiB).toBeGreaterThan(5);
        expect(ownMiB).toBeGreaterThan(1);
        expect(files).toBeGreaterThan(3);
      }
      expect(samples[0]?.heapMiB).toEqual({
        coordinator: expect.any(Number),
        machines: expect.any(Number),
      });
      for (const delay of Object.values(last?.loopMs ?? {})) expect(delay).toBeGreaterThan(0);
      expect(Object.keys(last?.rows ?? {}).toSorted()).toEqual(
        retainedTables()
          .map(({ table }) => table)
          .toSorted(),
      );
      expect(last?.rows['charges']).toBeGreaterThan(10);
      expect(Object.keys(last?.streams ?? {}).toSorted()).toEqual(
        eventStreams.map(({ name }) => name).toSorted(),
      );
      expect(last?.streams['JOBS']?.bytes).toBeGreaterThan(1_000);
      expect(verdicts.map(({ series }) => series.name)).toContain('memory of coordinator');
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);
