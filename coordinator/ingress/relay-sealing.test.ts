import { describe, expect, test } from 'vitest';
import {
  FrameContent,
  type InferenceEvent,
  InferenceRequest,
  SUITE_ID,
  vectorLine,
} from '#bus-schemas';
import { MemoryBudget } from '#http-api/memory-budget.ts';
import { AnswerSoFar } from './answer-so-far.ts';
import { ProtocolViolation } from './attempt-sealing.ts';
import type { Attempt } from './core/job-state.ts';
import { relaySealing, type SealFor } from './relay-sealing.ts';

/** Frames are not sealed here: only their content matters. */
const unsealed = (async () => ({
  enc: new Uint8Array(32),
  sealRequestParts: () => [].values(),
  openResponse: (_seq: number, plain: Uint8Array) => plain,
  receiptSalt: () => new Uint8Array(32),
})) as unknown as SealFor;

const candidate = { suite: SUITE_ID, sealingKey: new Uint8Array(32) } as Attempt['candidate'];
async function read(...events: InferenceEvent[]) {
  const results = { k: 'embeddings' as const, count: 2, dimensions: undefined };
  const seal = relaySealing(unsealed, 'job', {
    encoded: new Uint8Array(),
    topLogprobs: undefined,
    results,
  });
  const sealing = await seal(
    { candidate, number: 1 } as Attempt,
    new AnswerSoFar(new MemoryBudget(0)),
  );
  return sealing?.read({ seq: 0, sealed: FrameContent.encode({ events }) });
}

const vector = vectorLine(Float32Array.of(1, 2));
const result = { k: 'text' as const, text: vector, tokens: 1 };
const usage = { promptTokens: 2, cachedTokens: 0, completionTokens: 2 };
const hash = new Uint8Array(32);
const end = { k: 'end' as const, usage, requestHash: hash, responseHash: hash };

describe('frames with results', () => {
  test('are read if there is one result for each text', async () => {
    const reading = await read(result, result, { ...end, finish: 'stop' });
    expect(reading).toMatchObject({ tokens: 2, end: { finish: 'stop' } });
  });

  test('may end before the last result if the machine failed or was cancelled', async () => {
    expect((await read(result, { ...end, finish: 'cancelled' }))?.end?.finish).toBe('cancelled');
  });

  test.each<[string, InferenceEvent[]]>([
    ['an end before the last result', [result, { ...end, finish: 'stop' }]],
    ['more results than texts', [result, result, result]],
    ['a text instead of a vector', [{ ...result, text: 'Hello' }]],
    ['reasoning', [{ ...result, k: 'reasoning' }]],
    ['one vector that is billed as two', [{ ...result, tokens: 2 }]],
  ])('violate the protocol with %s', async (_name, events) => {
    await expect(read(...events)).rejects.toThrow(ProtocolViolation);
  });
});

describe('an answer that another machine began', () => {
  const delta = { k: 'text' as const, text: ' two', tokens: 1 };

  async function continued(...events: InferenceEvent[]) {
    const soFar = new AnswerSoFar(new MemoryBudget(1_000));
    soFar.begin(new Uint8Array(32));
    soFar.add([{ k: 'text', text: 'One', tokens: 1, ids: [5] }]);
    let sealed = new Uint8Array();
    const sealFor: SealFor = async (target) => ({
      ...(await unsealed(target)),
      *sealRequestParts(plain) {
        sealed = Uint8Array.from(plain);
        yield plain;
      },
    });
    const chat = { messages: [{ role: 'user', content: 'Count.' }], max_tokens: 5 };
    const encoded = InferenceRequest.encode({ chat, reportsIds: true });
    const seal = relaySealing(sealFor, 'job', { encoded, topLogprobs: undefined });
    const sealing = await seal({ candidate, number: 2 } as Attempt, soFar);
    const reading = sealing?.read({ seq: 0, sealed: FrameContent.encode({ events }) });
    return { request: InferenceRequest.decode(sealed), reading };
  }

  test('is ordered with the same request and the part that its client has', async () => {
    const { request, reading } = await continued({ ...delta, continued: 1 }, delta);
    expect(request).toMatchObject({
      chat: { messages: [{ content: 'Count.' }] },
      reportsIds: true,
      continues: { tokens: [5], text: 'One', calls: 0 },
    });
    expect(reading?.tokens).toBe(2);
  });

  test.each([undefined, 2])(
    'violates the protocol if it begins again (continued: %s)',
    async (number) => {
      const first = { ...delta, ...(number !== undefined && { continued: number }) };
      await expect(continued(first)).rejects.toThrow(ProtocolViolation);
    },
  );
});
