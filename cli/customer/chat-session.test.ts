import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { InferenceEnd } from '#bus-schemas';
import type { SealedEvent } from '#client';
import { type Ask, type Message, printable, summaryOf } from './chat-answer.ts';
import { askOnce, ChatSession } from './chat-session.ts';

const HASH = Buffer.alloc(16);
const endOf = (finish: InferenceEnd['finish'] = 'stop'): InferenceEnd => ({
  k: 'end',
  finish,
  usage: { promptTokens: 14, cachedTokens: 0, completionTokens: 20 },
  requestHash: HASH,
  responseHash: HASH,
});
const text = (part: string): SealedEvent => ({ k: 'text', text: part, tokens: 1 });
const serving = {
  k: 'serving',
  job: 'job_1',
  maxTokens: 100,
  isHeld: true,
  receiptSalt: HASH,
  offer: {
    provider: 'PABCDEFGHIJK',
    level: 'self_signed',
    evidence: { simulated: true, engine: 'external' },
  },
} as unknown as SealedEvent;

/** Answers each message with "1:", "2:" and so on, and the last message. */
function counted(): { ask: Ask; asked: (readonly Message[])[] } {
  const asked: (readonly Message[])[] = [];
  const ask: Ask = async (messages) => {
    asked.push(messages);
    const words = `${asked.length}: ${messages.at(-1)?.content}`;
    return (async function* () {
      yield serving;
      yield text(words);
      return endOf();
    })();
  };
  return { ask, asked };
}

/** Begins an answer that only a cancel ends, and reports when its first text is out. */
function endless(): { ask: Ask; begun: Promise<void> } {
  const { promise: begun, resolve } = Promise.withResolvers<void>();
  const ask: Ask = async (_messages, signal) =>
    (async function* () {
      yield text('part');
      const cancelled = new Promise<never>((_, fail) =>
        signal.addEventListener('abort', () => fail(new Error('the connection was closed'))),
      );
      resolve();
      return await cancelled;
    })();
  return { ask, begun };
}

function start(ask: Ask, system?: string) {
  const input = new PassThrough();
  const output = new PassThrough();
  let shown = '';
  output.on('data', (part) => {
    shown += String(part);
  });
  const session = new ChatSession(input, {
    ask,
    costOf: async () => 12,
    explain: async (error) => `failed: ${(error as Error).message}`,
    system,
    output,
  });
  const over = session.run();
  const until = async (words: string) => {
    while (!shown.includes(words)) await once(output, 'data');
  };
  return { over, type: (keys: string) => input.write(keys), shown: () => shown, until };
}

const CTRL_C = '\u0003';
const CTRL_D = '\u0004';

test('a conversation sends what was said before, until /clear', async () => {
  const { ask, asked } = counted();
  const { over, type, shown } = start(ask, 'Be short.');
  type('one\rtwo\r/clear\rthree\r/bye\r');
  await over;
  const system = { role: 'system', content: 'Be short.' };
  const one = { role: 'user', content: 'one' };
  expect(asked).toEqual([
    [system, one],
    [system, one, { role: 'assistant', content: '1: one' }, { role: 'user', content: 'two' }],
    [system, { role: 'user', content: 'three' }],
  ]);
  expect(shown()).toContain('2: two');
  expect(shown()).toContain('14 tokens in, 20 out');
  expect(shown()).toContain('cost $0.000012');
});

test('a message of several lines is one message', async () => {
  const { ask, asked } = counted();
  const { over, type } = start(ask);
  type(`"""first\rsecond"""\r${CTRL_D}`);
  await over;
  expect(asked).toEqual([[{ role: 'user', content: 'first\nsecond' }]]);
});

test('Ctrl-C cancels the answer, which stays in the conversation; a second one leaves', async () => {
  const cut = endless();
  const { ask, asked } = counted();
  let isFirst = true;
  const { over, type, until } = start((messages, signal) => {
    if (!isFirst) return ask(messages, signal);
    isFirst = false;
    return cut.ask(messages, signal);
  });
  type('one\r');
  await cut.begun;
  type(CTRL_C);
  await until('cancelled');
  type('two\r');
  await until('cost');
  // The prompt comes in the same turn as the line about the cost.
  await setImmediate();
  type(CTRL_C);
  await over;
  expect(asked[0]?.slice(0, 2)).toEqual([
    { role: 'user', content: 'one' },
    { role: 'assistant', content: 'part' },
  ]);
});

test('Ctrl-C at an unfinished line discards the line only', async () => {
  const { ask, asked } = counted();
  const { over, type } = start(ask);
  type(`wrong${CTRL_C}right\r${CTRL_D}`);
  await over;
  expect(asked).toEqual([[{ role: 'user', content: 'right' }]]);
});

test('a failed message is explained, and the conversation goes on without it', async () => {
  const { ask, asked } = counted();
  let isFirst = true;
  const { over, type, shown } = start((messages, signal) => {
    if (!isFirst) return ask(messages, signal);
    isFirst = false;
    return Promise.reject(new Error('no machine'));
  });
  type(`one\rtwo\r${CTRL_D}`);
  await over;
  expect(shown()).toContain('failed: no machine');
  expect(asked).toEqual([[{ role: 'user', content: 'two' }]]);
});

test('a single answer is printed as it arrives, without reasoning if no terminal reads it', async () => {
  const output = new PassThrough();
  const ask: Ask = async () =>
    (async function* () {
      yield { k: 'reasoning', text: 'hm', tokens: 1 } as const;
      yield text('yes\u001b[31m');
      return endOf('length');
    })();
  const { summary } = await askOnce(
    { ask, costOf: async () => undefined, system: undefined, output },
    'Really?',
    new AbortController().signal,
  );
  expect(String(output.read())).toBe('yes\u001b[31m');
  expect(summary).toContain('it ended at the limit of tokens');
});

test('no control characters of an answer reach a terminal', async () => {
  const output = Object.assign(new PassThrough(), { isTTY: true });
  const ask: Ask = async () =>
    (async function* () {
      yield text('a\u001b]52;c;aGk=\u0007\r\tb\n\u009b31m');
      return endOf();
    })();
  await askOnce(
    { ask, costOf: async () => undefined, system: undefined, output },
    'Hello',
    new AbortController().signal,
  );
  expect(String(output.read())).toBe('a]52;c;aGk=\tb\n31m');
  expect(printable('👩‍🚀 naïve')).toBe('👩‍🚀 naïve');
});

test('the summary names the kind of the machine, and the job whose cost is not booked yet', () => {
  const answered = { text: '', ms: 2_000, serving: serving as never, end: endOf() };
  expect(summaryOf(answered, undefined)).toBe(
    '14 tokens in, 20 out (2.0 s, 10 tok/s); cost not booked yet (job_1); machine PABCDEFG (self_signed, simulated, external engine)',
  );
});

test('two Ctrl-C while an answer is cancelled leave at once', async () => {
  const { promise: begun, resolve } = Promise.withResolvers<void>();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  // An answer that does not end when it is cancelled.
  const { over, type } = start(async () => {
    resolve();
    await released;
    throw new Error('the connection was closed');
  });
  type('one\r');
  await begun;
  type(`${CTRL_C}${CTRL_C}`);
  release();
  await over;
});
