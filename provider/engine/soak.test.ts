import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { isSet, setting } from '#bus-schemas/settings/settings.ts';
import { createCpuBackend } from './decoders/native-decoder.ts';
import { createWebGpuBackend } from './decoders/webgpu/device.ts';

interface Soaked {
  readonly right: number;
  /** Memory in megabytes and number of open files, after each quarter of the requests. */
  readonly memory: readonly number[];
  readonly files: readonly number[];
}

const REQUESTS = setting('DINF_SOAK_REQUESTS');
/** WebGPU without a GPU needs three minutes of both processors, which only the command takes. */
const isLong = isSet('DINF_SOAK_REQUESTS');
const SOAK = fileURLToPath(new URL('./soak-under-test.ts', import.meta.url));

const available = { cpu: !('reason' in createCpuBackend()), webgpu: await webGpuRuns() };

async function webGpuRuns(): Promise<boolean> {
  const made = await createWebGpuBackend();
  if ('reason' in made) return false;
  await made.backend[Symbol.asyncDispose]();
  return true;
}

/** With the fewest requests, after half of which an engine has compiled and cached what it needs. */
for (const [engine, share, fewest] of [
  ['cpu', 1, 400],
  ['webgpu', 0.1, 1_200],
] as const) {
  const isLeftOut = engine === 'webgpu' && !isLong;
  const why = isLeftOut ? ' (skipped: npm run engine-soak runs it)' : '';
  describe.skipIf(isLeftOut || !available[engine])(`${engine}${why}`, () => {
    test('after many requests memory and open files have not grown, and the process ends by itself', {
      timeout: 900_000,
    }, async () => {
      const requests = Math.max(fewest, Math.round(REQUESTS * share));
      const child = fork(SOAK, [engine, String(requests)], {
        execArgv: ['--expose-gc'],
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      });
      const [{ right, memory, files }] = (await once(child, 'message')) as [Soaked];
      const [code, signal] = await once(child, 'exit');
      expect({ code, signal }).toEqual({ code: 0, signal: null });
      expect(right).toBeGreaterThanOrEqual(0.95);
      const [, warm = 0, , end = 0] = memory;
      expect(end, `megabytes after each quarter: ${memory}`).toBeLessThan(warm + 40);
      expect(files.at(-1), `open files after each quarter: ${files}`).toBeLessThanOrEqual(
        (files[1] ?? 0) + 2,
      );
    });
  });
}

test('the number of open files can be read on Linux', () => {
  if (process.platform === 'linux') expect(readdirSync('/proc/self/fd').length).toBeGreaterThan(2);
});
