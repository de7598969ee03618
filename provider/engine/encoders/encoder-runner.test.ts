import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Delta,
  type EncodingTask,
  type Finish,
  ResultReader,
  type Usage,
  wantedResults,
} from '#bus-schemas';
import { thisMachine } from '../../machine.ts';
import { createReferenceBackend } from '../decoders/reference-decoder.ts';
import { RequestRefused, type Sequence } from '../engine.ts';
import { ModelEngine } from '../model-engine.ts';
import { cosine, expected, openEmbedder, openReranker } from './encoders-under-test.ts';

let engine: ModelEngine;
beforeAll(async () => {
  engine = new ModelEngine({
    backend: createReferenceBackend(),
    models: [],
    encoders: [await openEmbedder(), await openReranker()],
    machine: thisMachine(),
    memoryBytes: 1e9,
    maxConcurrency: 2,
    idleMs: 0,
    log: { info: () => {}, error: () => {} },
  });
});
afterAll(() => engine[Symbol.asyncDispose]());

interface Ended {
  readonly finish: Finish;
  readonly usage: Usage;
  readonly deltas: readonly Delta[];
}

function run(
  task: EncodingTask,
  { mostTokens = 100_000, begun = (_: Sequence, __: readonly Delta[]) => {} } = {},
): Promise<Ended> {
  const { promise, resolve, reject } = Promise.withResolvers<Ended>();
  const deltas: Delta[] = [];
  const build = task.k === 'rerank' ? 'reranker' : 'embedder';
  const sequence: Sequence = engine.encode(
    { build, task, mostTokens },
    {
      delta: (delta) => {
        deltas.push(delta);
        begun(sequence, deltas);
      },
      end: (finish, usage) => resolve({ finish, usage, deltas }),
      refuse: reject,
    },
  );
  return promise;
}

const texts = expected.vectors.map(({ text }) => text);
const embedding = (more: object = {}): EncodingTask => ({
  k: 'embeddings',
  inputs: texts,
  truncate: true,
  ...more,
});
function resultsOf(task: EncodingTask, { deltas }: Ended) {
  const reader = new ResultReader(wantedResults(task));
  for (const delta of deltas) expect(delta.k === 'text' && reader.add(delta)).toBe(true);
  expect(reader.isWhole).toBe(true);
  return reader.results;
}

test('the vectors are those of sentence-transformers, and all tokens count', async () => {
  const ended = await run(embedding());
  const { vectors } = resultsOf(embedding(), ended);
  for (const [index, vector] of vectors.entries()) {
    expect(cosine(vector, expected.vectors[index]?.vector ?? [])).toBeGreaterThan(0.9999);
    expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
  }
  const tokens = expected.vectors.reduce((sum, each) => sum + each.tokens.length, 0);
  expect(ended).toMatchObject({
    finish: 'stop',
    usage: { promptTokens: tokens, cachedTokens: 0, completionTokens: texts.length },
  });
});

test('the relevances are those of transformers', async () => {
  const task: EncodingTask = {
    k: 'rerank',
    query: expected.scores[0]?.query ?? '',
    documents: expected.scores.map(({ document }) => document),
    truncate: true,
  };
  const { scores } = resultsOf(task, await run(task));
  for (const [index, score] of scores.entries())
    expect(score).toBeCloseTo(expected.scores[index]?.score ?? Number.NaN, 3);
});

test('tokens are read like the text that has them, and dimensions shorten the vector', async () => {
  const [first] = expected.vectors;
  const inner = first?.tokens.slice(1, -1) ?? [];
  const task = embedding({ inputs: [inner, first?.text], dimensions: 6 });
  const [one, other] = resultsOf(task, await run(task)).vectors;
  expect(one).toEqual(other);
  expect(cosine(one ?? [], first?.vector.slice(0, 6) ?? [])).toBeGreaterThan(0.9999);
  expect(Math.hypot(...(one ?? []))).toBeCloseTo(1, 5);
});

test('more texts than one pass holds are computed in their order', async () => {
  const inputs = Array.from({ length: 150 }, (_, at) => texts[at % texts.length] as string);
  const { vectors } = resultsOf(embedding({ inputs }), await run(embedding({ inputs })));
  for (const [at, vector] of vectors.entries())
    expect(cosine(vector, expected.vectors[at % texts.length]?.vector ?? [])).toBeGreaterThan(
      0.9999,
    );
});

describe('a request', () => {
  test.each([
    ['request_exceeds_context', embedding({ inputs: ['cold '.repeat(100)], truncate: false }), {}],
    ['request_exceeds_context', embedding({ inputs: ['x'.repeat(100_000)], truncate: false }), {}],
    ['request_exceeds_context', embedding({ inputs: [Array(100).fill(7)], truncate: false }), {}],
    ['invalid_request', embedding({ inputs: [[1_000_000]] }), {}],
    ['invalid_request', embedding({ dimensions: 25 }), {}],
    ['invalid_request', embedding(), { mostTokens: 10 }],
  ])('is refused with %s: %#', async (code, task, more) => {
    await expect(run(task, more)).rejects.toMatchObject({ code });
  });

  test('for another kind of results is refused at once', () => {
    const sink = { delta: () => {}, end: () => {}, refuse: () => {} };
    const work = { build: 'reranker', task: embedding(), mostTokens: 1_000 };
    expect(() => engine.encode(work, sink)).toThrow(RequestRefused);
    const chat = { messages: [{ role: 'user', content: 'Hi' }], max_tokens: 1 };
    expect(() => engine.generate({ build: 'embedder', chat, maxTokens: 1 }, sink)).toThrow(
      RequestRefused,
    );
  });

  test('that is cancelled ends after the running pass, and states what it made', async () => {
    const inputs = Array.from({ length: 500 }, () => texts[0] as string);
    const ended = await run(embedding({ inputs }), { begun: (sequence) => sequence.cancel() });
    expect(ended.finish).toBe('cancelled');
    expect(ended.usage.completionTokens).toBe(ended.deltas.length);
    expect(ended.deltas.length).toBeLessThan(500);
  });

  test('that is paused makes nothing more until it is resumed', async () => {
    const inputs = Array.from({ length: 300 }, () => texts[0] as string);
    let atPause = 0;
    const ended = await run(embedding({ inputs }), {
      begun: (sequence, deltas) => {
        if (atPause > 0) return;
        sequence.pause();
        atPause = deltas.length;
        setImmediate(() => sequence.resume());
      },
    });
    expect(atPause).toBe(1);
    expect(ended.deltas).toHaveLength(300);
  });
});

test('the slots announce what the models do', () => {
  expect(
    engine
      .slots()
      .map(({ build, state, traits, contextTokens }) => [build, state, traits, contextTokens]),
  ).toEqual([
    ['embedder', 'resident', ['embeddings'], 48],
    ['reranker', 'resident', ['rerank'], 48],
  ]);
});
