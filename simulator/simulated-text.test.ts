import { describe, expect, test } from 'vitest';
import { simulatedAnswer, TokenStream } from './simulated-text.ts';

const chat = (fields: object = {}) => ({ messages: [{ role: 'user', content: 'Hello' }], max_tokens: 50, ...fields });

describe('made-up text', () => {
  test('depends on the request and on nothing else', () => {
    expect(simulatedAnswer(chat())).toEqual(simulatedAnswer(chat()));
    expect(simulatedAnswer(chat({ seed: 1 })).text).not.toBe(simulatedAnswer(chat()).text);
    expect(simulatedAnswer(chat({ messages: [{ role: 'user', content: 'Bye' }] })).text).not.toBe(simulatedAnswer(chat()).text);
  });

  test('ends at max_tokens, or by itself before', () => {
    expect(simulatedAnswer(chat(), { endless: true })).toMatchObject({ finish: 'length', usage: { completionTokens: 50 } });
    const natural = simulatedAnswer(chat({ max_tokens: 10_000 }));
    expect(natural.finish).toBe('stop');
    expect(natural.usage.completionTokens).toBeLessThan(10_000);
  });

  test('a longer answer begins as the shorter one', () => {
    expect(simulatedAnswer(chat({ max_tokens: 100 }), { endless: true }).text.startsWith(simulatedAnswer(chat(), { endless: true }).text)).toBe(true);
  });

  test('is cut before the first stop string, even within a token', () => {
    const whole = simulatedAnswer(chat(), { endless: true }).text;
    const stop = whole.slice(20, 23);
    const cut = simulatedAnswer(chat({ stop: ['never said', stop] }), { endless: true });
    expect(cut.text).toBe(whole.slice(0, whole.indexOf(stop)));
    expect(cut.finish).toBe('stop');
  });

  test('holds characters of every UTF-8 length', () => {
    const text = simulatedAnswer(chat({ max_tokens: 2_000 }), { endless: true }).text;
    for (const pattern of [/[a-z]/, /é/, /東/, /🦙/u]) expect(text).toMatch(pattern);
  });

  test('says how many tokens the prompt took', () => {
    expect(new TokenStream(chat()).usage).toMatchObject({ promptTokens: expect.any(Number), completionTokens: 0 });
  });
});
