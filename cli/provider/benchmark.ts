import { resolve } from 'node:path';
import { lockFolder } from '#bin/folder-lock.ts';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { messageOf } from '#bus-schemas/message-of.ts';
import { benchmarkModel } from '#provider/benchmark/benchmark-model.ts';
import { residentMemory } from '#provider/benchmark/process-memory.ts';
import { highestTemperature } from '#provider/benchmark/temperature.ts';
import { gb } from '#provider/downloads/fit.ts';
import type { BackendName } from '#provider/engine/backend-names.ts';
import {
  type MeasuredPoint,
  type Measurement,
  type SteadyPart,
  saveMeasurement,
} from '#provider/engine/measured-speeds.ts';
import { EngineProcess } from '#provider/engine/process/engine-process.ts';
import { readSettings } from '#provider/service/settings.ts';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import packageJson from '../../package.json' with { type: 'json' };
import { AUTO } from './engines.ts';

export interface BenchmarkCommand {
  readonly home: string;
  readonly engine: string;
  readonly concurrency: number;
  readonly memoryPercent: number;
  readonly minutes?: number;
  readonly json?: boolean;
}

/** Number of parts of the long measurement; each is a line of the output. */
const PARTS = 20;
const MINUTE_MS = 60_000;

/**
 * Measures the named models, or those that this machine serves, and saves the figures in its home.
 * The machine must not serve meanwhile: both would share the processor and the memory.
 */
export async function benchmark(
  named: readonly string[],
  { home: folder, json = false, ...options }: BenchmarkCommand,
): Promise<void> {
  const home = resolve(folder);
  await using _lock = lockFolder({
    folder: home,
    command: 'provider',
    remedy: 'measure in another folder with --home',
  });
  const saved = (await readSettings(home))?.models ?? [];
  const chosen = named.length > 0 ? named : saved;
  const results: Measurement[] = [];
  for (const model of chosen.length > 0 ? chosen : [TINY_MODEL_FOLDER]) {
    const result = await measure(model, options, json ? () => {} : console.log);
    await saveMeasurement(home, result);
    results.push(result);
  }
  if (json) console.log(JSON.stringify(results));
  else console.log('\nThe figures are saved, and this machine announces them from its next start.');
}

async function measure(
  model: string,
  { engine: wanted, concurrency, memoryPercent, minutes }: Omit<BenchmarkCommand, 'home' | 'json'>,
  print: (line: string) => void,
): Promise<Measurement> {
  let lastError = '';
  await using engine = await EngineProcess.open({
    ...(wanted !== AUTO && { backend: wanted as BackendName }),
    models: [model],
    maxConcurrency: concurrency,
    idleMs: 0,
    memoryShare: memoryPercent / 100,
    // The answers of the benchmark repeat themselves, so drafts would make them faster than others.
    drafts: false,
    log: {
      info: () => {},
      error: (facts, message) => {
        lastError = `${message} ${JSON.stringify(facts)}`;
      },
    },
  }).catch(cannotMeasure(model));
  const [slot] = engine.slots();
  if (slot?.state !== 'resident') return cannotMeasure(model)(lastError);
  print(`${slot.build} with the engine ${engine.name}; speeds are in tokens per second.`);
  print(line(['prompt', 'requests', 'reading', 'writing each', 'writing all', 'memory']));
  return await benchmarkModel(engine, {
    build: slot.build,
    version: packageJson.version,
    steady: minutes ? { parts: PARTS, partMs: (minutes * MINUTE_MS) / PARTS } : undefined,
    memoryBytes: () => residentMemory(engine.pid),
    celsius: () => highestTemperature(),
    now: Date.now,
    onPoint: (point) => print(lineOf(point)),
    onLeftOut: ({ promptTokens, requests }, seconds) =>
      print(
        `left out: ${requests} × ${promptTokens} tokens would take about ${Math.round(seconds)} s to read`,
      ),
    onPart: (part) => print(steadyLine(part)),
  }).catch(cannotMeasure(model));
}

const cannotMeasure = (model: string) => (error: unknown) => {
  throw new CommandError(EXIT.unavailable, `${model} cannot be measured: ${messageOf(error)}`, {
    cause: error,
  });
};

const WIDTHS = [8, 8, 10, 12, 11, 9] as const;
const line = (cells: readonly string[]): string =>
  cells.map((cell, column) => cell.padStart(WIDTHS[column] ?? 0)).join('  ');

const lineOf = (point: MeasuredPoint): string =>
  line([
    String(point.promptTokens),
    String(point.requests),
    ...[point.prefillTps, point.decodeTps, point.allDecodeTps].map((speed) => speed.toFixed(1)),
    point.memoryBytes === undefined ? '-' : gb(point.memoryBytes),
  ]);

const steadyLine = ({ atSeconds, tokensPerSecond, celsius }: SteadyPart): string =>
  `after ${atSeconds} s: ${tokensPerSecond.toFixed(1)} tokens/s${celsius === undefined ? '' : `, ${celsius.toFixed(0)} °C`}`;
