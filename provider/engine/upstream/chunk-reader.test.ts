import { expect, test } from 'vitest';
import type { Delta } from '#bus-schemas';
import { ChunkReader } from './chunk-reader.ts';
import { eventsIn } from './event-stream.ts';
import { chunk } from './model-server-under-test.ts';

const readAll = (reader: ChunkReader, chunks: readonly object[]): Delta[] =>
  chunks.flatMap((each) => reader.read({ ...each }));
async function collect(source: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const one of source) all.push(one);
  return all;
}
const call = (part: object) => chunk({ tool_calls: [part] });

test('text and reasoning become deltas under each of the names that servers use', () => {
  const reader = new ChunkReader();
  const deltas = readAll(reader, [
    chunk({ role: 'assistant', content: '' }),
    chunk({ reasoning_content: 'Hm' }),
    chunk({ reasoning: ' well', content: '' }),
    chunk({ content: '19' }, 'stop'),
    { choices: [], usage: { prompt_tokens: 15, completion_tokens: 5 } },
  ]);
  expect(deltas).toEqual([
    { k: 'reasoning', text: 'Hm', tokens: 1 },
    { k: 'reasoning', text: ' well', tokens: 1 },
    { k: 'text', text: '19', tokens: 1 },
  ]);
  expect(reader.finish).toBe('stop');
  expect(reader.usage).toMatchObject({ promptTokens: 15, completionTokens: 5 });
  expect(reader.rest(5)).toEqual({ k: 'text', text: '', tokens: 2 });
  expect(reader.rest(5)).toBeUndefined();
});

test('a tool call in parts, and one that arrives whole, are two calls', () => {
  const reader = new ChunkReader();
  const deltas = readAll(reader, [
    call({ index: 0, id: 'a', function: { name: 'weather', arguments: '' } }),
    call({ index: 0, function: { arguments: '{"city":' } }),
    call({ index: 0, id: 'a', function: { name: '', arguments: '"Paris"}' } }),
    call({ index: 0, id: 'b', function: { name: 'time', arguments: { zone: 'CET' } } }),
    chunk({}, 'stop'),
  ]);
  expect(deltas.map(({ k, text, ...rest }) => [k, 'index' in rest && rest.index, text])).toEqual([
    ['tool', 0, ''],
    ['tool', 0, '{"city":'],
    ['tool', 0, '"Paris"}'],
    ['tool', 1, '{"zone":"CET"}'],
  ]);
  expect(reader.finish).toBe('tool_calls');
});

test('a call without an id gets one, and calls beyond the maximum are left out', () => {
  const reader = new ChunkReader();
  const calls = Array.from({ length: 200 }, (_, index) => ({ index, function: { name: 'f' } }));
  const deltas = reader.read(chunk({ tool_calls: calls }));
  expect(deltas).toHaveLength(128);
  expect(deltas[0]).toMatchObject({ id: expect.stringMatching(/^call_[0-9a-f]{24}$/), name: 'f' });
});

test('a chunk of another shape yields nothing', () => {
  for (const odd of [
    {},
    { choices: 'none' },
    { choices: [null] },
    { choices: [{ delta: { content: 7, tool_calls: [null, { function: 'f' }] } }] },
    { usage: { prompt_tokens: -1, completion_tokens: 'many' } },
  ]) {
    const reader = new ChunkReader();
    expect(reader.read(odd)).toEqual([]);
    expect(reader.usage).toBeUndefined();
  }
});

test('events are read across the borders of packets, and comments are skipped', async () => {
  const bytes = new TextEncoder().encode(
    ': keepalive 1/2\r\n\r\ndata: {"a":\ndata: "é"}\n\ndata: [DONE]',
  );
  const packets = Array.from(bytes, (byte) => Uint8Array.of(byte));
  const read = await collect(
    eventsIn(
      (async function* () {
        yield* packets;
      })(),
    ),
  );
  expect(read).toEqual(['{"a":\n"é"}', '[DONE]']);
});

test('an event without an end is refused before it fills the memory', async () => {
  let sent = 0;
  const endless = (async function* () {
    yield new TextEncoder().encode('data: ');
    for (;;) {
      sent += 1;
      yield new Uint8Array(64 * 1024).fill(97);
    }
  })();
  await expect(collect(eventsIn(endless))).rejects.toMatchObject({ code: 'malformed' });
  expect(sent).toBeLessThan(20);
});
