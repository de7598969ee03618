import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BertModel } from '../../models/encoders/bert-model.ts';
import { openEncoder } from '../../models/encoders/encoder-model.ts';

/**
 * Two BERTs with random weights, and what transformers computes with them (`fixtures/make.py`).
 * `decoders-under-test.ts` has those that are decoders.
 */

export const FIXTURES = join(import.meta.dirname, 'fixtures');
export const openEmbedder = () => openBert('embedder');
export const openReranker = () => openBert('reranker');

async function openBert(name: string): Promise<BertModel> {
  const model = await openEncoder(join(FIXTURES, name));
  if (model.kind !== 'bert') throw new Error(`${name} is no BERT`);
  return model;
}

interface Expected {
  readonly vectors: readonly {
    readonly text: string;
    readonly tokens: readonly number[];
    readonly vector: readonly number[];
  }[];
  readonly scores: readonly {
    readonly query: string;
    readonly document: string;
    readonly score: number;
  }[];
}

export const expected: Expected = JSON.parse(readFileSync(join(FIXTURES, 'expected.json'), 'utf8'));

export function cosine(one: ArrayLike<number>, other: ArrayLike<number>): number {
  const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
    Array.from(a).reduce((sum, value, i) => sum + value * (b[i] as number), 0);
  return dot(one, other) / Math.sqrt(dot(one, one) * dot(other, other));
}
