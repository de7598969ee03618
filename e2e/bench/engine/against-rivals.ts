import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Backend, BackendOrReason } from '#provider/engine/decoders/decoder.ts';
import { stepOf } from '#provider/engine/decoders/step.ts';
import type { DecoderModel } from '#provider/models/model.ts';
import { show, spread } from '../statistics.ts';
import { pagesFor, stepper } from './stepper.ts';

const run = promisify(execFile);

/** The work of both programs in a round, as numbers of tokens and a number of threads. */
export interface Work {
  readonly threads: number;
  /** The most tokens that are read in one step. */
  readonly step: number;
  readonly prompts: readonly number[];
  readonly decoded: number;
  /** Tokens whose keys and values are held, of a question that follows them, and of its answer. */
  readonly prefix: number;
  readonly question: number;
  readonly answer: number;
}

export interface Taken {
  readonly ms: number;
  /** Processor time of the process. */
  readonly cpuMs: number;
}

type Figures = Readonly<Record<string, Taken>>;

/** Does the work in a process of its own, and returns what it took. */
export type Rival = (work: Work) => Promise<Figures>;

export const llamaCpp =
  (gguf: string, packages: string): Rival =>
  (work) =>
    figuresOf(process.execPath, ['llama-cpp.mjs', packages, gguf, JSON.stringify(work)]);

export const mlxLm =
  (folder: string, packages: string): Rival =>
  (work) =>
    figuresOf('python3', ['mlx-lm.py', folder, JSON.stringify(work)], { PYTHONPATH: packages });

async function figuresOf(
  command: string,
  [program = '', ...args]: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Figures> {
  const path = join(import.meta.dirname, program);
  const { stdout } = await run(command, [path, ...args], { env: { ...process.env, ...env } });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as Figures;
}

export interface RivalComparison {
  readonly model: DecoderModel;
  readonly open: () => BackendOrReason | Promise<BackendOrReason>;
  readonly rival: Rival;
  readonly work: Work;
  readonly rounds: number;
}

/**
 * Does the same work on an engine and on a rival in turns, and returns a line for each kind of
 * work: by how much the engine is faster. Other programs disturb the time by the clock more than the
 * processor time, so both are given.
 */
export async function compareWithRival({
  model,
  open,
  rival,
  work,
  rounds,
}: RivalComparison): Promise<string[]> {
  const pairs: { own: Figures; theirs: Figures }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const opened = await open();
    if ('reason' in opened) return [`left out: ${opened.reason}`];
    const own = await measureOwn(opened.backend, model, work);
    pairs.push({ own, theirs: await rival(work) });
  }
  const kinds = Object.keys(pairs[0]?.own ?? {});
  return kinds.map((kind) => {
    const factor = (of: keyof Taken) =>
      show(
        spread(
          pairs.map(
            ({ own, theirs }) => (theirs[kind]?.[of] ?? Number.NaN) / (own[kind]?.[of] ?? 0),
          ),
        ),
      );
    const time = (whose: 'own' | 'theirs') =>
      spread(pairs.map((pair) => pair[whose][kind]?.cpuMs ?? Number.NaN)).median.toFixed(0);
    return `${kind}: ${factor('cpuMs')}× by processor time, ${factor('ms')}× by the clock (${time('own')} against ${time('theirs')} ms of processor time)`;
  });
}

async function measureOwn(opened: Backend, model: DecoderModel, work: Work): Promise<Figures> {
  await using backend = opened;
  const pagesOfOne = pagesFor(work.prefix + work.question + work.answer);
  await using decoder = await backend.load({ model, pages: pagesOfOne, maxTokens: work.step });
  const step = stepper(decoder, { vocabulary: model.shape.vocabulary, pagesOfOne });
  /** Returns the most likely token after those that it reads. */
  const read = async (count: number, from = 0): Promise<number> => {
    let token = 0;
    for (let at = 0; at < count; at += work.step) {
      const size = Math.min(work.step, count - at);
      const { best } = await step({ sequences: 1, count: size, from: from + at });
      token = best[0] as number;
    }
    return token;
  };
  const pages = Int32Array.from({ length: pagesOfOne }, (_, page) => page);
  const stepAt = (from: number, token = 0) =>
    stepOf([{ from, tokens: [token], pages, outputTokens: 'last' }], false);
  const generate = async (first: number, count: number, from: number) => {
    let token = first;
    for (let i = 0; i < count; i += 1) {
      const isFollowed = decoder.worksAhead === true && i + 1 < count;
      const expected = isFollowed ? stepAt(from + i + 1) : undefined;
      const { best } = await decoder.step(stepAt(from + i, token), expected);
      token = best[0] as number;
    }
  };
  await read(work.step);
  const figures: Record<string, Taken> = {};
  for (const count of work.prompts) figures[`prompt of ${count}`] = await taken(() => read(count));
  const first = await read(16);
  figures['decode'] = await taken(() => generate(first, work.decoded, 16));
  await read(work.prefix);
  figures[`answer after a held prefix of ${work.prefix}`] = await taken(async () => {
    const token = await read(work.question, work.prefix);
    await generate(token, work.answer - 1, work.prefix + work.question);
  });
  return figures;
}

async function taken(work: () => Promise<unknown>): Promise<Taken> {
  const began = performance.now();
  const cpu = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return { ms: performance.now() - began, cpuMs: (user + system) / 1_000 };
}
