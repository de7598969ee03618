import { describe, expect, test } from 'vitest';
import type { Delta } from '#bus-schemas';
import { withPromptUsage } from '../engine/prompt-usage.ts';
import { continuedSink } from './continued-sink.ts';

const usage = { promptTokens: 5, cachedTokens: 0, completionTokens: 3 };
const text = (words: string): Delta => ({ k: 'text', text: words, tokens: 1 });
const call = (index: number, json = ''): Delta => ({
  k: 'tool',
  index,
  id: `call_${index}`,
  name: 'weather',
  text: json,
  tokens: 1,
});
const args = (index: number, json: string): Delta => ({ k: 'tool', index, text: json, tokens: 1 });

/** What a client gets that has `text` and `calls` already, if the engine writes `deltas`. */
function continued(known: { text: string; calls?: number }, deltas: readonly Delta[]) {
  const got: unknown[] = [];
  const sink = continuedSink(
    withPromptUsage({
      delta: (delta) => got.push(delta),
      end: (finish) => got.push(finish),
      refuse: ({ code }) => got.push(code),
    }),
    { tokens: [1, 2], calls: 0, receiptSalt: new Uint8Array(32), ...known },
    () => got.push('cancel'),
  );
  for (const delta of deltas) sink.delta(delta);
  sink.end('stop', usage);
  return got;
}

describe('an answer that another machine began', () => {
  test('is sent from the place that the client has reached, and says so once', () => {
    expect(continued({ text: 'One two' }, [text('One'), text(' two'), text(' three')])).toEqual([
      { ...text(' three'), continued: 2 },
      'stop',
    ]);
    expect(continued({ text: 'One' }, [text('One two'), text(' three')])).toEqual([
      { ...text(' two'), continued: 2 },
      text(' three'),
      'stop',
    ]);
  });

  test('opens no call a second time, and goes on in the middle of its arguments', () => {
    expect(
      continued({ text: '{"a":', calls: 1 }, [call(0, '{"a'), args(0, '":1'), args(0, '}')]),
    ).toEqual([{ ...args(0, '1'), continued: 2 }, args(0, '}'), 'stop']);
    expect(continued({ text: '{}', calls: 1 }, [call(0), args(0, '{}'), call(1, '{')])).toEqual([
      { ...call(1, '{'), continued: 2 },
      'stop',
    ]);
    expect(continued({ text: '', calls: 1 }, [call(0, '{')])).toEqual([
      { ...args(0, '{'), continued: 2 },
      'stop',
    ]);
  });

  test('may be complete already', () => {
    expect(continued({ text: 'One' }, [text('One')])).toEqual(['stop']);
  });

  test.each<[string, { text: string; calls?: number }, Delta[]]>([
    ['has another text', { text: 'One two' }, [text('One'), text(' three'), text(' four')]],
    ['is shorter', { text: 'One two' }, [text('One')]],
    ['has a call where the client has text', { text: 'One' }, [call(0, 'One')]],
    ['has no call where the client has one', { text: 'One', calls: 1 }, [text('One')]],
  ])('is refused if the one of the tokens %s', (_name, known, deltas) => {
    expect(continued(known, deltas)).toEqual(['cannot_continue', 'cancel']);
  });
});
