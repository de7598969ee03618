import { expect, test } from 'vitest';
import { EventStreamParser } from './event-stream.ts';

const STREAM =
  ': a comment\n\nid: 7\nevent: balance\ndata: {"a":1}\n\ndata: one\r\ndata: two\r\n\r\n';
const EVENTS = [
  { id: '7', name: 'balance', data: '{"a":1}' },
  { id: '7', name: 'message', data: 'one\ntwo' },
];

test('events are read wherever the pieces of the stream end', () => {
  for (let size = 1; size <= STREAM.length; size += 1) {
    const parser = new EventStreamParser();
    const events = [];
    for (let start = 0; start < STREAM.length; start += size)
      events.push(...parser.push(STREAM.slice(start, start + size)));
    expect(events).toEqual(EVENTS);
  }
});

test('an event without its end is not delivered', () => {
  expect(new EventStreamParser().push('data: half\n')).toEqual([]);
});
