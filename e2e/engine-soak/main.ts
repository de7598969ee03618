import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type fixtures, openFixture } from '#provider/engine/decoders/decoder-under-test.ts';
import { createCpuBackend } from '#provider/engine/decoders/native-decoder.ts';
import { memoryInUse, openFiles } from '#provider/engine/own-figures-under-test.ts';
import { PrefixStore } from '#provider/engine/stored/prefix-store.ts';
import { SeededNumbers } from '#world/virtual/seeded-numbers.ts';
import { type Conversation, conversationsOf } from './conversations.ts';
import { SoakedFamily } from './soaked-family.ts';

/** The figures of a pause between two rounds. */
export interface SoakSample {
  readonly minute: number;
  /** Memory of the process without the empty part of its heap, in MiB. */
  readonly memoryMiB: number;
  readonly openFiles: number;
  /** Pages of all models that no request can have any more. */
  readonly lostPages: number;
  /** Since the beginning. */
  readonly answers: number;
  readonly cancelled: number;
  /** Answers with other tokens than the same conversation had on the empty machine. */
  readonly wrong: number;
  readonly failures: number;
}

/** Those that differ most in what they store for a prompt: pages, windows, shared pages and states. */
const FAMILIES: readonly (typeof fixtures)[number][] = [
  'llama',
  'gpt-oss-published',
  'gemma3',
  'gemma4',
  'qwen3-5',
  'qwen3-5-moe-published',
  'qwen3-next',
  'glm4-moe',
];
/** More than a machine has places, so that some requests wait. */
const AT_ONCE = 6;
const CANCELLED = 0.2;
/** Small enough that the disk, too, displaces prompts. */
const STORED_BYTES = 20_000_000;

// A program for a child process, with the arguments <minutes> <seconds of a round> <seed>. It sends a
// sample after each round. The process then ends by itself, unless a handle was left open.
const [minutes = 0, roundSeconds = 0, seed = 0] = process.argv.slice(2).map(Number);
const random = new SeededNumbers(seed, 'engine soak');
const made = createCpuBackend();
if ('reason' in made) throw new Error(made.reason);
const folder = await mkdtemp(join(tmpdir(), 'dinf-engine-soak-'));
const store = await PrefixStore.open({
  folder,
  secret: randomBytes(32),
  limits: {
    mostBytes: STORED_BYTES,
    mostAgeMs: 3_600_000,
    dailyBytes: 1e12,
    freeBytes: 0,
  },
  log: console,
  now: Date.now,
});
const families: { family: SoakedFamily; talks: Talk[] }[] = [];
const counts = { answers: 0, cancelled: 0, wrong: 0 };

interface Talk extends Conversation {
  readonly answer: readonly number[];
}

for (const name of FAMILIES) {
  const { model } = await openFixture(name);
  const family = await SoakedFamily.open({ name, backend: made.backend, model, store });
  const talks: Talk[] = [];
  for (const talk of conversationsOf(random, model.shape.vocabulary))
    talks.push({ ...talk, answer: (await family.answer(talk)) ?? [] });
  families.push({ family, talks });
}

const began = performance.now();
const minute = () => (performance.now() - began) / 60_000;
while (minute() < minutes) {
  const until = performance.now() + roundSeconds * 1_000;
  const worker = async ({ family, talks }: (typeof families)[number]) => {
    while (performance.now() < until) await ask(family, random.one(talks));
  };
  await Promise.all(
    families.flatMap((each) => Array.from({ length: AT_ONCE }, () => worker(each))),
  );
  process.send?.(await sample());
}
for (const { family, talks } of families) await family.fillPlaces(talks);
for (const { family } of families) await family[Symbol.asyncDispose]();
await made.backend[Symbol.asyncDispose]();
store[Symbol.dispose]();
await rm(folder, { recursive: true });
process.disconnect?.();

async function ask(family: SoakedFamily, talk: Talk): Promise<void> {
  const cancelAfter = random.chance(CANCELLED) ? random.integer(talk.tokens + 1) - 1 : undefined;
  const answer = await family.answer(talk, cancelAfter);
  if (answer === undefined) counts.cancelled += 1;
  else {
    counts.answers += 1;
    if (answer.join() !== talk.answer.join()) counts.wrong += 1;
  }
}

async function sample(): Promise<SoakSample> {
  let lostPages = 0;
  let failures = 0;
  for (const { family } of families) {
    lostPages += await family.lostPages();
    failures += family.failures;
  }
  return {
    minute: minute(),
    memoryMiB: memoryInUse() / 2 ** 20,
    openFiles: openFiles(),
    lostPages,
    ...counts,
    failures,
  };
}
