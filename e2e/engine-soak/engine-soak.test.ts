import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import { createCpuBackend } from '#provider/engine/decoders/native-decoder.ts';
import { exceeds, secondHalf, slopeOf } from '../soak/figures/slope.ts';
import type { SoakSample } from './main.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
const SECONDS = setting('DINF_ENGINE_SOAK_SECONDS');
const MINUTES = SECONDS / 60;
const SEED = 20_261_129;
/** So that the shortest soak has enough rounds for a slope with an error. */
const ROUNDS = 10;
const MOST_ROUND_SECONDS = 60;
/** Largest growth of memory, in MiB a minute, that a soak of an hour or more may show. */
const MOST_GROWTH = 0.2;
/** Growth that a shorter one may show from its middle to its end, in MiB. */
const MOST_GROWN = 30;

const cpu = createCpuBackend();
const why = 'reason' in cpu ? ` (${cpu.reason})` : '';
if (!('reason' in cpu)) await cpu.backend[Symbol.asyncDispose]();

describe.skipIf('reason' in cpu)(`many families in one process${why}`, () => {
  test('no page is lost, no answer changes, and memory does not grow', {
    timeout: (SECONDS + 600) * 1_000,
  }, async () => {
    const roundSeconds = Math.min(MOST_ROUND_SECONDS, SECONDS / ROUNDS);
    const child = fork(MAIN, [MINUTES, roundSeconds, SEED].map(String), {
      execArgv: ['--expose-gc'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const samples: SoakSample[] = [];
    child.on('message', (sample: SoakSample) => {
      samples.push(sample);
      if (MINUTES >= 1) console.log(JSON.stringify(sample));
    });
    const [code, signal] = await once(child, 'exit');
    expect({ code, signal }).toEqual({ code: 0, signal: null });

    const last = samples.at(-1) as SoakSample;
    expect(samples.map(({ lostPages }) => lostPages)).toEqual(samples.map(() => 0));
    expect({ wrong: last.wrong, failures: last.failures }).toEqual({ wrong: 0, failures: 0 });
    expect(last.answers).toBeGreaterThan(100);
    expect(last.cancelled).toBeGreaterThan(10);

    const series = (of: (sample: SoakSample) => number) =>
      secondHalf(samples.map((sample) => ({ minute: sample.minute, value: of(sample) })));
    const memory = slopeOf(series(({ memoryMiB }) => memoryMiB));
    const limit = Math.max(MOST_GROWTH, MOST_GROWN / (MINUTES / 2));
    console.log(`memory: ${memory.perMinute.toFixed(3)} ± ${memory.error.toFixed(3)} MiB a minute`);
    expect(exceeds(memory, limit), JSON.stringify(memory)).toBe(false);
    const files = series(({ openFiles }) => openFiles).map(({ value }) => value);
    expect(Math.max(...files) - Math.min(...files), `open files: ${files}`).toBeLessThanOrEqual(8);
  });
});
