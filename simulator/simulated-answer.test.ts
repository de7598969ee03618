import { describe, expect, test } from 'vitest';
import type { Delta } from '#bus-schemas';
import { AnswerStream, simulatedAnswer } from './simulated-answer.ts';

const chat = (fields: object = {}) => ({
  messages: [{ role: 'user', content: 'Hello' }],
  max_tokens: 50,
  ...fields,
});

const deltasOf = (stream: AnswerStream): Delta[] => {
  const deltas: Delta[] = [];
  for (let delta = stream.next(); delta !== undefined; delta = stream.next()) deltas.push(delta);
  return deltas;
};
const weather = (name: string) => ({
  type: 'function' as const,
  function: { name, parameters: { type: 'object', properties: { city: { type: 'string' } } } },
});

describe('an answer with tool calls, JSON or reasoning', () => {
  test('calls each offered tool, with arguments that fit its schema', () => {
    const stream = new AnswerStream(chat({ tools: [weather('one'), weather('two')] }));
    const deltas = deltasOf(stream);
    const argumentsOf = (index: number) =>
      deltas
        .map((delta) => (delta.k === 'tool' && delta.index === index ? delta.text : ''))
        .join('');
    expect(
      deltas.flatMap((delta) => (delta.k === 'tool' && delta.name ? [delta.name] : [])),
    ).toEqual(['one', 'two']);
    expect(JSON.parse(argumentsOf(1))).toEqual({ city: 'river' });
    expect(stream.finish).toBe('tool_calls');
    expect(stream.usage.completionTokens).toBe(deltas.length);
  });

  test.each([
    ['none', []],
    [{ type: 'function' as const, function: { name: 'two' } }, ['two']],
  ])('calls only the tools that tool_choice %j allows', (tool_choice, names) => {
    const deltas = deltasOf(
      new AnswerStream(chat({ tools: [weather('one'), weather('two')], tool_choice })),
    );
    expect(
      deltas.flatMap((delta) => (delta.k === 'tool' && delta.name ? [delta.name] : [])),
    ).toEqual(names);
  });

  test('is JSON that fits the requested schema, and is cut at max_tokens', () => {
    const schema = {
      type: 'object',
      properties: {
        colour: { enum: ['red', 'blue'] },
        parts: { type: 'array', items: { $ref: '#/$defs/part' }, minItems: 2 },
      },
      $defs: { part: { type: 'integer', minimum: 3 } },
    };
    const format = { response_format: { type: 'json_schema' as const, json_schema: { schema } } };
    expect(JSON.parse(simulatedAnswer(chat(format)).text)).toEqual({
      colour: 'red',
      parts: [3, 3],
    });
    expect(simulatedAnswer(chat({ ...format, max_tokens: 3 }))).toMatchObject({
      finish: 'length',
      usage: { completionTokens: 3 },
    });
  });

  test('begins with reasoning if the request asks for it, and counts its tokens', () => {
    const stream = new AnswerStream(chat({ reasoning_effort: 'low' }), { endless: true });
    const kinds = deltasOf(stream).map(({ k }) => k);
    expect(kinds).toEqual([...Array(24).fill('reasoning'), ...Array(26).fill('text')]);
    expect(stream.usage).toMatchObject({ completionTokens: 50, reasoningTokens: 24 });
    expect(stream.finish).toBe('length');
  });
});

describe('generated text', () => {
  test('depends only on the request', () => {
    expect(simulatedAnswer(chat())).toEqual(simulatedAnswer(chat()));
    expect(simulatedAnswer(chat({ seed: 1 })).text).not.toBe(simulatedAnswer(chat()).text);
    expect(simulatedAnswer(chat({ messages: [{ role: 'user', content: 'Bye' }] })).text).not.toBe(
      simulatedAnswer(chat()).text,
    );
  });

  test('ends at max_tokens or earlier', () => {
    expect(simulatedAnswer(chat(), { endless: true })).toMatchObject({
      finish: 'length',
      usage: { completionTokens: 50 },
    });
    const natural = simulatedAnswer(chat({ max_tokens: 10_000 }));
    expect(natural.finish).toBe('stop');
    expect(natural.usage.completionTokens).toBeLessThan(10_000);
  });

  test('begins with the same words for a larger max_tokens', () => {
    expect(
      simulatedAnswer(chat({ max_tokens: 100 }), { endless: true }).text.startsWith(
        simulatedAnswer(chat(), { endless: true }).text,
      ),
    ).toBe(true);
  });

  test('is cut before the first stop string, even within a token', () => {
    const whole = simulatedAnswer(chat(), { endless: true }).text;
    const stop = whole.slice(20, 23);
    const cut = simulatedAnswer(chat({ stop: ['never said', stop] }), { endless: true });
    expect(cut.text).toBe(whole.slice(0, whole.indexOf(stop)));
    expect(cut.finish).toBe('stop');
  });

  test('contains characters of one, two, three and four bytes in UTF-8', () => {
    const text = simulatedAnswer(chat({ max_tokens: 2_000 }), { endless: true }).text;
    for (const pattern of [/[a-z]/, /é/, /東/, /🦙/u]) expect(text).toMatch(pattern);
  });

  test('reports the number of prompt tokens', () => {
    expect(new AnswerStream(chat()).usage).toMatchObject({
      promptTokens: expect.any(Number),
      completionTokens: 0,
    });
  });
});
