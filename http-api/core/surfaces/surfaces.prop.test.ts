import { createParser } from 'eventsource-parser';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Delta } from '#bus-schemas';
import { ApiError } from '../../errors.ts';
import type { AttemptEnd } from '../attempt-end.ts';
import { chat } from './chat.ts';
import { completions } from './completions.ts';
import { messages } from './messages.ts';
import { responses } from './responses.ts';
import { type AnswerHead, Gathering, type Surface } from './surface.ts';

/**
 * For any answer, any split of it into pieces and any split into network packets, the client reads
 * the answer of the model.
 */

interface Event {
  readonly event: string | undefined;
  readonly data: string;
}

const head = (request = {}): AnswerHead => ({
  job: 'job_x',
  model: 'sim "quoted"',
  createdSeconds: 1,
  nowSeconds: () => 2,
  includeUsage: true,
  maxOutputTokens: 10,
  promptTokens: { estimate: 1, bound: 1_000 },
  request,
});
const text = fc.string({ unit: 'binary', maxLength: 12 }).filter((value) => value.isWellFormed());

/**
 * Answers as a provider must send them: tool calls one after the other, each with its id and name
 * at its start.
 */
const answers = fc
  .array(
    fc.oneof(
      text.map((value): Delta[] => [{ k: 'text', text: value, tokens: 1 }]),
      text.map((value): Delta[] => [{ k: 'reasoning', text: value, tokens: 1 }]),
      fc
        .array(text, { maxLength: 4 })
        .map((pieces): Delta[] => [
          { k: 'tool', index: 0, id: 'call', name: 'tool', text: '', tokens: 1 },
          ...pieces.map((piece): Delta => ({ k: 'tool', index: 0, text: piece, tokens: 1 })),
        ]),
    ),
    { maxLength: 8 },
  )
  .map((groups) => {
    let calls = -1;
    return groups.flat().map((delta): Delta => {
      if (delta.k !== 'tool') return delta;
      if (delta.id !== undefined) calls += 1;
      return { ...delta, index: calls, ...(delta.id !== undefined && { id: `call_${calls}` }) };
    });
  });
const ends: fc.Arbitrary<AttemptEnd> = fc.record({
  finish: fc.constantFrom('stop' as const, 'length' as const, 'tool_calls' as const),
  usage: fc.record({
    promptTokens: fc.nat(100),
    cachedTokens: fc.constant(0),
    completionTokens: fc.nat(100),
  }),
});

function parse(chunks: readonly Uint8Array[]): Event[] {
  const events: Event[] = [];
  const parser = createParser({ onEvent: ({ event, data }) => void events.push({ event, data }) });
  const decoder = new TextDecoder();
  for (const chunk of chunks) parser.feed(decoder.decode(chunk, { stream: true }));
  return events;
}

function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const borders = [
    0,
    ...places.map((place) => place % (bytes.length + 1)).toSorted((one, other) => one - other),
    bytes.length,
  ];
  return borders.slice(1).map((until, index) => bytes.subarray(borders[index], until));
}

const surfaces: readonly [Surface, object][] = [
  [chat, {}],
  [responses, {}],
  [completions, {}],
  [messages, { thinking: { type: 'enabled' } }],
];

describe.each(surfaces)('$path', (surface, request) => {
  test('a stream gives the same events however it is split; no write splits a character', () => {
    fc.assert(
      fc.property(answers, ends, fc.array(fc.nat(), { maxLength: 40 }), (deltas, end, places) => {
        const stream = surface.stream(head(request));
        const writes = [...deltas.map((delta) => stream.delta(delta)), stream.finish(end)];
        for (const write of writes) expect(Buffer.from(write).toString()).toBe(write);
        const bytes = Buffer.from(writes.join(''));
        expect(parse(cut(bytes, places))).toEqual(parse([bytes]));
        for (const { data } of parse([bytes]))
          if (data !== '[DONE]') expect(() => JSON.parse(data)).not.toThrow();
      }),
    );
  });

  test('a stream has the same content as the whole answer', () => {
    fc.assert(
      fc.property(answers, ends, (deltas, end) => {
        const stream = surface.stream(head(request));
        const events = parse([
          Buffer.from([...deltas.map((delta) => stream.delta(delta)), stream.finish(end)].join('')),
        ]);
        const gathering = new Gathering();
        for (const delta of deltas) gathering.add(delta);
        expect(readStream(surface, events)).toEqual(
          readWhole(surface, surface.whole(head(request), { ...gathering.whole(), end })),
        );
      }),
    );
  });

  test('a stream that is cut short ends with one error and without an end', () => {
    const stream = surface.stream(head(request));
    const written =
      stream.delta({ k: 'text', text: 'half', tokens: 1 }) + stream.cut(new ApiError('stream_cut'));
    expect(written).not.toContain('[DONE]');
    expect(written).not.toMatch(/message_stop|response\.completed/);
    expect(written.match(/^data: .*error.*$/gm)?.length).toBeGreaterThanOrEqual(1);
  });
});

interface ReadAnswer {
  readonly text: string;
  readonly calls: readonly (readonly [string, string])[];
}

// biome-ignore lint/suspicious/noExplicitAny: shapes of four foreign APIs, read as their clients read them
type Any = any;

function readStream(surface: Surface, events: readonly Event[]): ReadAnswer {
  const data: Any[] = events
    .filter((event) => event.data !== '[DONE]')
    .map((event) => JSON.parse(event.data));
  if (surface !== responses && surface !== messages)
    expect(events.filter((event) => event.data === '[DONE]')).toHaveLength(1);
  switch (surface) {
    case chat: {
      const deltas = data.flatMap((chunk) => chunk.choices.map((choice: Any) => choice.delta));
      const calls: [string, string][] = [];
      for (const call of deltas.flatMap((delta) => delta.tool_calls ?? [])) {
        if (call.id) calls[call.index] = [call.id, ''];
        (calls[call.index] as [string, string])[1] += call.function.arguments;
      }
      return { text: deltas.map((delta) => delta.content ?? '').join(''), calls };
    }
    case completions:
      return {
        text: data.flatMap((chunk) => chunk.choices.map((choice: Any) => choice.text)).join(''),
        calls: [],
      };
    case responses: {
      expect(data.map((event) => event.sequence_number)).toEqual(data.map((_, index) => index));
      const items = data
        .filter(({ type }) => type === 'response.output_item.done')
        .map(({ item }) => item);
      expect(data.at(-1).response.output).toEqual(items);
      const answerText = data
        .filter(({ type }) => type === 'response.output_text.delta')
        .map(({ delta }) => delta);
      return {
        text: answerText.join(''),
        calls: items
          .filter(({ type }) => type === 'function_call')
          .map((item) => [item.call_id, item.arguments]),
      };
    }
    default: {
      const calls = new Map<number, [string, string]>();
      let answerText = '';
      for (const event of data) {
        if (event.content_block?.type === 'tool_use')
          calls.set(event.index, [event.content_block.id, '']);
        if (event.delta?.type === 'text_delta') answerText += event.delta.text;
        const call = calls.get(event.index);
        if (event.delta?.type === 'input_json_delta' && call) call[1] += event.delta.partial_json;
      }
      const starts = data
        .filter(({ type }) => type === 'content_block_start')
        .map(({ index }) => index);
      expect(starts).toEqual(starts.map((_, index) => index));
      expect(
        data.filter(({ type }) => type === 'content_block_stop').map(({ index }) => index),
      ).toEqual(starts);
      return {
        text: answerText,
        calls: [...calls.values()].map(([id, input]) => [id, normal(input)]),
      };
    }
  }
}

function readWhole(surface: Surface, whole: Any): ReadAnswer {
  switch (surface) {
    case chat:
      return {
        text: whole.choices[0].message.content ?? '',
        calls: (whole.choices[0].message.tool_calls ?? []).map((call: Any) => [
          call.id,
          call.function.arguments,
        ]),
      };
    case completions:
      return { text: whole.choices[0].text, calls: [] };
    case responses: {
      const parts = whole.output.flatMap((item: Any) =>
        item.type === 'message' ? item.content : [],
      );
      return {
        text: parts.map((part: Any) => part.text).join(''),
        calls: whole.output
          .filter(({ type }: Any) => type === 'function_call')
          .map((item: Any) => [item.call_id, item.arguments]),
      };
    }
    default:
      return {
        text: whole.content.map((block: Any) => (block.type === 'text' ? block.text : '')).join(''),
        calls: whole.content
          .filter(({ type }: Any) => type === 'tool_use')
          .map((block: Any) => [block.id, JSON.stringify(block.input)]),
      };
  }
}

/** The arguments of a call as a client parses them. */
function normal(input: string): string {
  try {
    return JSON.stringify(JSON.parse(input === '' ? '{}' : input));
  } catch {
    return JSON.stringify({ unfinished: input });
  }
}
