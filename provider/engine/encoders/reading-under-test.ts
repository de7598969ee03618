import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openEncoder } from '../../models/encoders/encoder-model.ts';
import type { EncoderInput } from '../../models/encoders/encoder-tokenizer.ts';
import type { ReadingDecoder } from '../../models/encoders/reading-decoder.ts';
import { FIXTURES } from './encoders-under-test.ts';

/**
 * Decoders with random weights in the layouts of published models for embeddings, and what
 * sentence-transformers computes from their folders (`fixtures/make_decoders.py`).
 */
export const readingFixtures = [
  'qwen3-embedding',
  'qwen3-embedding-4bit',
  'embeddinggemma',
  'embeddinggemma-mlx',
] as const;

export async function openReading(name: string): Promise<ReadingDecoder> {
  const model = await openEncoder(join(FIXTURES, name));
  if (model.kind !== 'decoder') throw new Error(`${name} is no decoder`);
  return model;
}

interface ExpectedVector {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly vector: readonly number[];
}

interface ExpectedScore {
  readonly query: string;
  readonly document: string;
  readonly tokens: number;
  readonly score: number;
}

const all = JSON.parse(readFileSync(join(FIXTURES, 'expected-decoders.json'), 'utf8'));

/** Those of the conversion by mlx-embeddings are those of the original. */
export const expectedVectors = (name: string): readonly ExpectedVector[] =>
  all[name.replace('-mlx', '')];
export const expectedScores: readonly ExpectedScore[] = all['qwen3-reranker'];

export function inputOf({ tokenizer, contextTokens }: ReadingDecoder, text: string): EncoderInput {
  const input = tokenizer.single(text, { most: contextTokens, truncate: true });
  if (input === 'too_long') throw new Error('a shortened text is too long');
  return input;
}
