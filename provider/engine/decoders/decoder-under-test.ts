import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { DecoderWeights, Matrix } from '../../models/decoder-weights.ts';
import { type DecoderModel, openDecoderAlone } from '../../models/model.ts';
import { TensorReader } from '../../models/tensor-reader.ts';
import type { Backend, BackendOrReason, Decoder } from './decoder.ts';
import { createCpuBackend, createMlxBackend } from './native-decoder.ts';
import { createReferenceBackend, readDense } from './reference-decoder.ts';
import { stepOf } from './step.ts';
import { createWebGpuBackend } from './webgpu/device.ts';

/** Small models of random weights with the answers of mlx-lm: fixtures/make.py. */
export const fixtures = ['llama', 'llama-every-width', 'qwen2', 'qwen3', 'gemma3', 'qwen3-moe'] as const;

export interface Fixture {
  readonly model: DecoderModel;
  readonly prompt: readonly number[];
  readonly greedy: readonly number[];
  /** For every token of the prompt the whole vocabulary. */
  readonly logits: Float32Array;
}

export async function openFixture(name: (typeof fixtures)[number]): Promise<Fixture> {
  const path = fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
  const { prompt, greedy, logits } = JSON.parse(readFileSync(`${path}/expected.json`, 'utf8'));
  return {
    model: await openDecoderAlone(path),
    prompt,
    greedy,
    logits: new Float32Array(Uint8Array.from(Buffer.from(logits, 'base64')).buffer),
  };
}

interface Generation {
  readonly prompt: readonly number[];
  readonly count: number;
  readonly pages: readonly number[];
}

/** The likeliest tokens after a prompt, one at a time. */
export async function generateGreedily(decoder: Decoder, { prompt, count, pages }: Generation): Promise<number[]> {
  const made: number[] = [];
  let tokens = prompt;
  for (let from = 0; made.length < count; ) {
    const { best } = await decoder.step(stepOf([{ tokens, from, pages, asks: 'last' }], false));
    from += tokens.length;
    tokens = [best[0] as number];
    made.push(...tokens);
  }
  return made;
}

const DECODER_OPTIONS = { pages: 16, maxTokens: 64 };

export async function withFixture(
  backend: Backend,
  name: (typeof fixtures)[number],
  use: (decoder: Decoder, fixture: Fixture) => Promise<void>,
  options: Partial<typeof DECODER_OPTIONS> = {},
): Promise<void> {
  const fixture = await openFixture(name);
  await using decoder = await backend.load({ model: fixture.model, ...DECODER_OPTIONS, ...options });
  await use(decoder, fixture);
}

/** The largest distance between two logits, against the largest of the logits. */
export function distance(actual: Float32Array, expected: Float32Array): number {
  const most = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  return expected.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (actual[i] ?? Number.NaN))), 0) / most;
}

/** Every backend there is a file for; what does not run here says why. */
export const backendsUnderTest: readonly { readonly name: Backend['name']; readonly create: () => Promise<BackendOrReason> }[] = [
  { name: 'reference', create: async () => ({ backend: createReferenceBackend() }) },
  { name: 'cpu', create: async () => createCpuBackend({ threads: 2 }) },
  { name: 'mlx', create: async () => createMlxBackend() },
  { name: 'webgpu', create: createWebGpuBackend },
];

/** The same model with every matrix as 32-bit numbers, in a file of its own. */
export async function unrounded(model: DecoderModel, file: string): Promise<DecoderModel> {
  await using reader = new TensorReader();
  const parts: Uint8Array[] = [];
  let offset = 0;
  const known = new Map<Matrix, Matrix>();
  const plain = async (matrix: Matrix): Promise<Matrix> => {
    const before = known.get(matrix);
    if (before) return before;
    const { values } = await readDense(reader, matrix);
    const bytes = new Uint8Array(values.buffer);
    const { quantized: _, ...rest } = matrix;
    const made: Matrix = { ...rest, weight: { ...matrix.weight, type: 'F32', shape: [matrix.out, matrix.in], file, offset, bytes: bytes.length } };
    parts.push(bytes);
    offset += bytes.length;
    known.set(matrix, made);
    return made;
  };
  const layers: DecoderWeights['layers'][number][] = [];
  for (const layer of model.weights.layers) {
    const { gate, up, down } = layer.mlp;
    const mlp = { ...layer.mlp, gate: await plain(gate), up: await plain(up), down: await plain(down) };
    layers.push({ ...layer, mlp, q: await plain(layer.q), k: await plain(layer.k), v: await plain(layer.v), o: await plain(layer.o) });
  }
  const weights = { ...model.weights, layers, embedding: await plain(model.weights.embedding), lmHead: await plain(model.weights.lmHead) };
  await writeFile(file, parts);
  return { ...model, weights };
}
