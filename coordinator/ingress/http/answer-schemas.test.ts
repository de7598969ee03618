import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { describe, expect, test } from 'vitest';
import type { Delta, Finish } from '#bus-schemas';
import { type AnswerHead, eventData, Gathering } from '#http-api/core/surfaces/surface.ts';
import { surfaces } from '#http-api/core/surfaces/surfaces.ts';
import { answerSchemas } from './answer-schemas.ts';

const logprobs = [{ token: 'Hi', logprob: -1, top: [{ token: 'Ho', logprob: -2 }] }];
const ANSWERS: readonly (readonly [string, Finish, readonly Delta[]])[] = [
  ['nothing', 'stop', []],
  ['a text', 'length', [{ k: 'text', text: 'Hi', tokens: 1, logprobs }]],
  [
    'reasoning and a tool call',
    'tool_calls',
    [
      { k: 'reasoning', text: 'Hmm', tokens: 1 },
      { k: 'tool', index: 0, id: 'call_1', name: 'f', text: '', tokens: 1 },
      { k: 'tool', index: 0, text: '{"a":1}', tokens: 1 },
    ],
  ],
];
const request = { thinking: { type: 'enabled' } };
const head: AnswerHead = {
  job: 'job_1',
  model: 'sim',
  createdSeconds: 1,
  nowSeconds: () => 2,
  includeUsage: true,
  maxOutputTokens: 10,
  promptTokens: { estimate: 3, bound: 10 },
  request,
};
const endOf = (finish: Finish) => ({
  finish,
  usage: { promptTokens: 3, cachedTokens: 1, completionTokens: 2 },
  stopSequence: undefined,
});
const faultsOf = (schema: TSchema, value: unknown) =>
  Compile(schema)
    .Errors(value)
    .map(({ instancePath, message }) => `${instancePath} ${message}`);

describe.each(surfaces)('the documented answer of $path', (surface) => {
  test.each(ANSWERS)('fits %s', (_name, finish, deltas) => {
    const { whole, part } = answerSchemas[surface.path] ?? {};
    if (whole === undefined || part === undefined) throw new Error('the answer has no schema');
    const gathered = new Gathering();
    const writer = surface.stream(head);
    let written = '';
    for (const delta of deltas) {
      gathered.add(delta);
      written += writer.delta(delta);
    }
    written += writer.finish(endOf(finish));
    const content = { ...gathered.whole(), end: endOf(finish) };
    expect(faultsOf(whole, surface.whole(head, content))).toEqual([]);
    const parts =
      surface.streamType === undefined
        ? eventData(written).filter((data) => data !== '[DONE]')
        : written.trimEnd().split('\n');
    expect(parts.length).toBeGreaterThan(0);
    for (const data of parts) expect(faultsOf(part, JSON.parse(data)), data).toEqual([]);
  });
});
