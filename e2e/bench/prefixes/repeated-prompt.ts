import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Backend, PAGE_TOKENS } from '#provider/engine/decoders/decoder.ts';
import type { DecoderModel } from '#provider/models/model.ts';
import { ReplayedMachine } from './replayed-machine.ts';

export interface RepeatedPromptOptions {
  readonly backend: Backend;
  readonly model: DecoderModel;
  readonly states: number;
  readonly prompt: readonly number[];
}

/** Time until the first content, and the processor time of all threads until then, in milliseconds. */
interface Measured {
  readonly ms: number;
  readonly processorMs: number;
  readonly cachedTokens: number;
}

export interface RepeatedPrompt {
  readonly cold: Measured;
  readonly fromMemory: Measured;
  /** After a restart of the machine. */
  readonly fromDisk: Measured;
}

const SCOPE = 'the customer of the measurement';
/** A guess until the first prompt was measured, in tokens per second. */
const FIRST_PREFILL_TPS = 1_000;

/** A repeated prompt takes so little time that other programs can double it, so the middle of so many counts. */
const REPEATS = 3;

/** Sends one prompt to an empty machine, again to this machine, and to machines that have started again. */
export async function measureRepeatedPrompt({
  backend,
  model,
  states,
  prompt,
}: RepeatedPromptOptions): Promise<RepeatedPrompt> {
  const folder = await mkdtemp(join(tmpdir(), 'dinf-repeated-'));
  const open = (prefillTps: number) =>
    ReplayedMachine.open({
      backend,
      model,
      pages: Math.ceil(prompt.length / PAGE_TOKENS) + 2,
      states,
      folder,
      storedBytes: 10e9,
      prefillTps,
      clock: () => performance.now(),
      now: Date.now,
    });
  try {
    let cold: Measured;
    let fromMemory: Measured;
    {
      await using machine = await open(FIRST_PREFILL_TPS);
      cold = await measured(() => machine.prompt(prompt, SCOPE));
      await machine.stored();
      fromMemory = await middleMeasured(() => measured(() => machine.prompt(prompt, SCOPE)));
    }
    const fromDisk = await middleMeasured(async () => {
      await using machine = await open((1_000 * prompt.length) / cold.ms);
      return await measured(() => machine.prompt(prompt, SCOPE));
    });
    return { cold, fromMemory, fromDisk };
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function middleMeasured(measure: () => Promise<Measured>): Promise<Measured> {
  const all: Measured[] = [];
  for (let i = 0; i < REPEATS; i += 1) all.push(await measure());
  all.sort((one, other) => one.processorMs - other.processorMs);
  return all[Math.floor(REPEATS / 2)] as Measured;
}

async function measured(run: () => Promise<number>): Promise<Measured> {
  const before = process.cpuUsage();
  const began = performance.now();
  const cachedTokens = await run();
  const ms = performance.now() - began;
  const { user, system } = process.cpuUsage(before);
  return { ms, processorMs: (user + system) / 1_000, cachedTokens };
}
