import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '#bus-schemas/message-of.ts';
import { cacheFolder } from '#provider';
import type { Backend, BackendOrReason } from '#provider/engine/decoders/decoder.ts';
import { createCpuBackend, createMlxBackend } from '#provider/engine/decoders/native-decoder.ts';
import { createWebGpuBackend } from '#provider/engine/decoders/webgpu/device.ts';
import { type DecoderModel, openDecoderAlone } from '#provider/models/model.ts';
import { mlxPackages, pythonPackages } from '#testcontainers';
import { installRival } from '../rival-package.ts';
import { show, spread } from '../statistics.ts';
import {
  compareWithRival,
  llamaCpp,
  mlxLm,
  type RivalComparison,
  type Work,
} from './against-rivals.ts';
import { writeGguf } from './gguf-file.ts';
import { writeMlxFolder } from './mlx-folder.ts';
import { makeRandomModel, sizes } from './random-model.ts';
import { pagesFor, stepper } from './stepper.ts';

const say = (line = '') => console.log(line);

/**
 * Every round measures each engine once. Slow ones, such as software GPUs, get only small models.
 */
const runs = {
  full: {
    rounds: 3,
    models: ['m6', 'm10', 'm100', 'm500', 'moe', 'b1'],
    prompt: 512,
    tokens: 32,
    rival: true,
  },
  smoke: { rounds: 1, models: ['m6'], prompt: 64, tokens: 8, rival: false },
} as const;
const AGAINST_LLAMA_CPP: Work = {
  threads: 1,
  step: 512,
  prompts: [512, 4_096],
  decoded: 32,
  prefix: 4_096,
  question: 16,
  answer: 16,
};
/** MLX is slow on a processor. */
const AGAINST_MLX_LM: Work = {
  threads: 1,
  step: 512,
  prompts: [512],
  decoded: 64,
  prefix: 512,
  question: 16,
  answer: 16,
};
const ROUNDS_AGAINST_RIVALS = 5;
const MLX_LM = '0.32.2';
const BATCHES = [1, 2, 4, 8, 16];
const ROOM = 640;
const SLOW_MODELS: Readonly<Record<string, readonly string[]>> = {
  mlx: ['m6', 'm10'],
  webgpu: ['m6', 'm100'],
};

interface Contender {
  readonly name: string;
  readonly open: () => Promise<BackendOrReason>;
}

const contenders: readonly Contender[] = [
  { name: 'cpu, 1 thread', open: async () => createCpuBackend({ threads: 1, fine: true }) },
  { name: 'cpu, 1 thread, fast', open: async () => createCpuBackend({ threads: 1, fine: false }) },
  { name: 'cpu, all threads', open: async () => createCpuBackend({ fine: true }) },
  { name: 'cpu, all threads, fast', open: async () => createCpuBackend({ fine: false }) },
  { name: 'webgpu', open: createWebGpuBackend },
  { name: 'mlx', open: async () => createMlxBackend() },
];

interface Figures {
  readonly prefill: number[];
  /** Tokens per second in each round, by the number of sequences. */
  readonly decode: Map<number, number[]>;
  loadMs: number;
  memoryMb: number;
}

/**
 * Measures tokens per second of all engines and of llama.cpp, with the same random 4-bit weights.
 */
export async function benchEngine(name: keyof typeof runs): Promise<void> {
  const { models, rival, ...size } = runs[name];
  const [{ model: processor = 'unknown' } = {}] = cpus();
  say(
    `${name} size; ${cpus().length} × ${processor}; node ${process.version}. Tokens/s; median of the rounds (least–most).`,
  );
  const folder = await mkdtemp(join(tmpdir(), 'dinf-bench-'));
  try {
    const llama = rival
      ? await installRival(
          {
            name: 'node-llama-cpp',
            version: '3.22.1',
            also: [
              `@node-llama-cpp/${process.platform === 'darwin' ? 'mac' : 'linux'}-${process.arch}`,
            ],
            flags: ['--omit=optional'],
          },
          say,
        )
      : undefined;
    const mlx = rival ? await installMlxLm() : undefined;
    for (const model of models) await compare({ model, folder, llama, mlx, ...size });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Installs mlx-lm with the MLX of the tests. If it cannot be installed, prints the reason. */
async function installMlxLm(): Promise<string | undefined> {
  try {
    return await pythonPackages(
      join(cacheFolder(process.env), `mlx-lm-${MLX_LM}`),
      [`mlx-lm==${MLX_LM}`, ...mlxPackages],
      { env: process.env, withDependencies: true },
    );
  } catch (error) {
    say(`mlx-lm is left out: it cannot be installed (${messageOf(error)})`);
    return undefined;
  }
}

interface Comparison {
  readonly model: keyof typeof sizes;
  readonly folder: string;
  /** Folders of the packages of the rivals, unless they are left out. */
  readonly llama: string | undefined;
  readonly mlx: string | undefined;
  readonly rounds: number;
  readonly prompt: number;
  readonly tokens: number;
}

async function compare({
  model,
  folder,
  llama,
  mlx,
  rounds,
  prompt,
  tokens,
}: Comparison): Promise<void> {
  const random = makeRandomModel(sizes[model]);
  const path = join(folder, model);
  await writeMlxFolder(random, path);
  if (llama) await writeGguf(random, `${path}.gguf`);
  const decoderModel = await openDecoderAlone(path);
  say(
    `\n${model}: ${(decoderModel.weightBytes / 1e6).toFixed(0)} MB of weights; prompt of ${prompt}, then ${tokens} tokens`,
  );
  const figures = new Map<string, Figures>();
  for (let round = 0; round < rounds; round += 1) {
    for (const { name, open } of contenders) {
      if (SLOW_MODELS[name]?.includes(model) === false) continue;
      const opened = await open();
      if ('reason' in opened) {
        if (round === 0) say(`  ${name} is left out: ${opened.reason}`);
        continue;
      }
      await using backend = opened.backend;
      await measure(backend, decoderModel, { prompt, tokens, into: figures, name });
    }
  }
  for (const [name, { prefill, decode, loadMs, memoryMb }] of figures) {
    const alone = spread(decode.get(1) ?? []).median;
    const batches = BATCHES.map(
      (batch) => `${batch}: ${show(spread(decode.get(batch) ?? []), 0)}`,
    ).join('  ');
    const eight = spread(decode.get(8) ?? []).median;
    say(
      `  ${name.padEnd(24)} load ${loadMs.toFixed(0)} ms, ${memoryMb.toFixed(0)} MB; prefill ${show(spread(prefill), 0)}; decode ${batches}; 8 at once ${(eight / alone).toFixed(2)}×`,
    );
  }
  const against = async (name: string, rest: Omit<RivalComparison, 'model' | 'rounds'>) => {
    const lines = await compareWithRival({
      model: decoderModel,
      rounds: ROUNDS_AGAINST_RIVALS,
      ...rest,
    });
    say(`  ${name}:`);
    for (const line of lines) say(`    ${line}`);
  };
  if (llama !== undefined)
    await against('cpu against llama.cpp, 1 thread each', {
      open: () => createCpuBackend({ threads: 1, fine: true }),
      rival: llamaCpp(`${path}.gguf`, llama),
      work: AGAINST_LLAMA_CPP,
    });
  if (mlx !== undefined && SLOW_MODELS['mlx']?.includes(model))
    await against(`mlx against mlx-lm ${MLX_LM}`, {
      open: createMlxBackend,
      rival: mlxLm(path, mlx),
      work: AGAINST_MLX_LM,
    });
}

async function measure(
  backend: Backend,
  model: DecoderModel,
  {
    prompt,
    tokens,
    into,
    name,
  }: { prompt: number; tokens: number; into: Map<string, Figures>; name: string },
): Promise<void> {
  const began = performance.now();
  const pagesOfOne = pagesFor(ROOM);
  await using decoder = await backend.load({
    model,
    pages: pagesOfOne * (BATCHES.at(-1) ?? 1),
    maxTokens: 512,
  });
  const own: Figures = into.get(name) ?? { prefill: [], decode: new Map(), loadMs: 0, memoryMb: 0 };
  into.set(name, own);
  own.loadMs = performance.now() - began;
  const step = stepper(decoder, { vocabulary: model.shape.vocabulary, pagesOfOne });
  await step({ sequences: 1, count: prompt, from: 0 });
  own.prefill.push(
    (1_000 * prompt) / (await timed(() => step({ sequences: 1, count: prompt, from: 0 }))),
  );
  for (const batch of BATCHES) {
    await step({ sequences: batch, count: 1, from: 16 });
    const took = await timed(async () => {
      for (let i = 0; i < tokens; i += 1) await step({ sequences: batch, count: 1, from: 16 + i });
    });
    own.decode.set(batch, [...(own.decode.get(batch) ?? []), (1_000 * batch * tokens) / took]);
  }
  own.memoryMb = (decoder.memoryBytes + decoder.cacheBytes) / 1e6;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}
