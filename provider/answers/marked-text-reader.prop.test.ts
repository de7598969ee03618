import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AnswerFormat, AnswerPart, ReaderOptions } from './format.ts';
import { formatOf } from './formats.ts';
import { readParts } from './read-under-test.ts';
import { StopStrings } from './stop-strings.ts';

const formatWith = (template: string) =>
  formatOf({
    template,
    has: (token) => ['<think>', '</think>', '<|tool_call|>', '<|/tool_call|>'].includes(token),
  });

const TAGGED = formatWith('<tool_call>');
const WITH_PARAMETERS = formatWith('<tool_call> <function=');
const ON_LINES = formatWith('<tool_call> <arg_key>{{ k }}</arg_key>\n<arg_value>');
const LISTED = formatWith('<|tool_call|> <response> </response>');
const LISTED_IN_TAGS = formatWith('<TOOLCALL>[');
const BARE = formatWith('"parameters" ipython');
const FORMATS = [TAGGED, WITH_PARAMETERS, ON_LINES, LISTED, LISTED_IN_TAGS, BARE];

/** Reads a text that is cut at the given places. Joins adjacent parts of the same kind. */
function read(
  text: string,
  cuts: readonly number[],
  { format = TAGGED, ...options }: { format?: AnswerFormat } & Partial<ReaderOptions> = {},
): AnswerPart[] {
  const at = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((a, b) => a - b);
  const pieces = [0, ...at].map((from, i) => text.slice(from, at[i] ?? text.length));
  return readParts(format, [{ text }], { cut: () => pieces, ...options });
}

const call = (name: string, args: unknown) =>
  `<tool_call>\n${JSON.stringify({ name, arguments: args })}\n</tool_call>`;

test('the result does not depend on where the text is cut', () => {
  const part = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 20 }),
    fc.constantFrom(
      '<think>',
      '</think>',
      '<tool_call>',
      '</tool_call>',
      '{"name": "f", "arguments": ',
      '}',
      '{"a": "}"}',
      '\n',
      '<',
      '"\\"',
      '<function=f>',
      '<parameter=a>',
      '</parameter>',
      '</function>',
      'f\n',
      '<arg_key>a</arg_key>',
      '<arg_value>',
      '</arg_value>',
      '<|tool_call|>',
      '<TOOLCALL>',
      '</TOOLCALL>',
      '[',
      ', ',
      ']',
      '<response>',
      '</response>',
    ),
    fc
      .tuple(fc.string({ minLength: 1, maxLength: 8 }), fc.jsonValue({ maxDepth: 2 }))
      .map(([name, args]) => call(name, args)),
  );
  fc.assert(
    fc.property(
      fc.array(part, { maxLength: 8 }),
      fc.array(fc.nat(500), { maxLength: 30 }),
      fc.boolean(),
      fc.constantFrom(...FORMATS),
      (parts, cuts, thinksFirst, format) => {
        const text = parts.join('');
        const options = { thinksFirst, format };
        expect(read(text, cuts, options)).toEqual(
          read(text, [...Array(text.length).keys()], options),
        );
      },
    ),
    { numRuns: 1_000 },
  );
});

test('calls are returned with the arguments that the model wrote, for any arguments', () => {
  const calls = fc.array(
    fc.tuple(fc.string({ minLength: 1, maxLength: 12 }), fc.object({ maxDepth: 2 })),
    { minLength: 1, maxLength: 3 },
  );
  fc.assert(
    fc.property(calls, fc.array(fc.nat(500), { maxLength: 20 }), (wanted, cuts) => {
      // Arguments are JSON, so values that JSON cannot represent are removed first.
      const clean = wanted.map(([name, args]) => [name, JSON.parse(JSON.stringify(args))] as const);
      const parts = read(clean.map(([name, args]) => call(name, args)).join('\n'), cuts);
      const got = parts
        .filter((part) => part.k === 'call' || part.k === 'arguments')
        .map((part) => (part.k === 'call' ? part.name : JSON.stringify(JSON.parse(part.text))));
      expect(got).toEqual(clean.flatMap(([name, args]) => [name, JSON.stringify(args)]));
      expect(
        parts
          .filter((part) => part.k === 'text')
          .map((part) => ('text' in part ? part.text.trim() : ''))
          .join(''),
      ).toBe('');
    }),
    { numRuns: 500 },
  );
});

describe('reading', () => {
  test('reasoning is separated from text', () => {
    expect(read('<think>\nhm\n</think>\n\nYes.', [3, 9])).toEqual([
      { k: 'reasoning', text: '\nhm\n' },
      { k: 'text', text: 'Yes.' },
    ]);
    expect(read('hm</think>Yes.', [1], { thinksFirst: true })).toEqual([
      { k: 'reasoning', text: 'hm' },
      { k: 'text', text: 'Yes.' },
    ]);
  });

  test('input that begins like a call but is not valid is text', () => {
    expect(read('<tool_call>nonsense</tool_call>', [])).toEqual([
      { k: 'text', text: '<tool_call>nonsense</tool_call>' },
    ]);
    for (const json of [
      'null',
      '[1]',
      '"f"',
      '{"name": 5, "arguments": {}}',
      '{"arguments": {}}',
    ]) {
      const text = `<tool_call>${json}</tool_call>`;
      expect(read(text, [])).toEqual([{ k: 'text', text }]);
    }
    expect(read('a < b', [])).toEqual([{ k: 'text', text: 'a < b' }]);
  });

  const withParameters = { format: WITH_PARAMETERS };

  test('a call of GLM has tags for the name and for the value of each argument', () => {
    const pairs = { format: ON_LINES };
    const text =
      '\n<think>\nhm</think>\nYes.\n<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>12</arg_value>\n<arg_key>days</arg_key>\n<arg_value>[3, 4]</arg_value>\n<arg_key>note</arg_key>\n<arg_value>two\n <lines></arg_value>\n</tool_call>\n<tool_call>now\n</tool_call>';
    const compact = text.replaceAll('>\n<arg', '><arg').replaceAll('weather\n', 'weather');
    for (const written of [text, compact])
      for (const cuts of [[], Array.from(written, (_, i) => i)])
        expect(read(written, cuts, pairs)).toEqual([
          { k: 'reasoning', text: '\nhm' },
          { k: 'text', text: 'Yes.\n' },
          { k: 'call', name: 'weather' },
          { k: 'arguments', text: '{"city": "12", "days": [3,4], "note": "two\\n <lines>"}' },
          { k: 'call', name: 'now' },
          { k: 'arguments', text: '{}' },
        ]);
  });

  test('calls of Granite are a list, and the tags around its text are no text', () => {
    const text =
      '<|tool_call|>[{"name": "weather", "arguments": {"city": ["a]"]}}, {"arguments": {}, "name": "other"}]';
    const response = '<think>hm</think><response>Yes, <b>.</response>';
    const options = { format: LISTED };
    for (const cuts of [[], Array.from(text, (_, i) => i)]) {
      expect(read(text, cuts, options)).toEqual([
        { k: 'call', name: 'weather' },
        { k: 'arguments', text: '{"city": ["a]"]}' },
        { k: 'call', name: 'other' },
        { k: 'arguments', text: '{}' },
      ]);
      expect(read(response, cuts, options)).toEqual([
        { k: 'reasoning', text: 'hm' },
        { k: 'text', text: 'Yes, <b>.' },
      ]);
    }
  });

  test('calls of Nemotron are a list between tags', () => {
    const text =
      'Wait.<TOOLCALL>[{"name": "now", "arguments": {}}, {"name": "now", "arguments": {"zone": 1}}]</TOOLCALL>Done.';
    for (const cuts of [[], Array.from(text, (_, i) => i)])
      expect(read(text, cuts, { format: LISTED_IN_TAGS })).toEqual([
        { k: 'text', text: 'Wait.' },
        { k: 'call', name: 'now' },
        { k: 'arguments', text: '{}' },
        { k: 'call', name: 'now' },
        { k: 'arguments', text: '{"zone": 1}' },
        { k: 'text', text: 'Done.' },
      ]);
  });

  test('marks that are control tokens are read, and other control tokens are not', () => {
    const parts = readParts(LISTED, [
      { sign: '<|start_of_role|>' },
      { sign: '<|tool_call|>' },
      { text: '[{"name": "f", "arguments": {}}]' },
    ]);
    expect(parts).toEqual([
      { k: 'call', name: 'f' },
      { k: 'arguments', text: '{}' },
    ]);
  });

  test('a call of Qwen 3.5 has a tag for each argument, whose type follows from the schema', () => {
    const text =
      'Yes.\n\n<tool_call>\n<function=weather>\n<parameter=city>\n12\n</parameter>\n<parameter=days>\n3\n</parameter>\n<parameter=note>\ntwo\nlines\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=now>\n</function>\n</tool_call>';
    for (const cuts of [[], Array.from(text, (_, i) => i)]) {
      expect(read(text, cuts, withParameters)).toEqual([
        { k: 'text', text: 'Yes.\n\n' },
        { k: 'call', name: 'weather' },
        { k: 'arguments', text: '{"city": "12", "days": 3, "note": "two\\nlines"}' },
        { k: 'call', name: 'now' },
        { k: 'arguments', text: '{}' },
      ]);
    }
  });

  test('a call of Qwen 3.5 that is cut or malformed loses no text after it', () => {
    expect(
      read('<tool_call><function=now>oops</function></tool_call>after', [], withParameters),
    ).toEqual([
      { k: 'call', name: 'now' },
      { k: 'arguments', text: '{}' },
      { k: 'text', text: 'oops</function></tool_call>after' },
    ]);
    expect(read('<tool_call>nonsense</tool_call>', [], withParameters)).toEqual([
      { k: 'text', text: '<tool_call>nonsense</tool_call>' },
    ]);
    expect(
      read('<tool_call>\n<function=weather>\n<parameter=city>\nOs', [], withParameters),
    ).toEqual([{ k: 'call', name: 'weather' }]);
  });

  test('if no tools are offered, nothing is a call', () => {
    expect(read(call('f', {}), [], { tools: [] })).toEqual([{ k: 'text', text: call('f', {}) }]);
  });

  test('a call with its fields in another order is recognised', () => {
    expect(read('<tool_call>{"arguments": {"a": 1}, "name": "f"}</tool_call>', [])).toEqual([
      { k: 'call', name: 'f' },
      { k: 'arguments', text: '{"a":1}' },
    ]);
  });

  test('a bare call of Llama is recognised only at the beginning of the answer', () => {
    expect(read('{"name": "f", "parameters": {"a": 1}}', [4, 15], { format: BARE })).toEqual([
      { k: 'call', name: 'f' },
      { k: 'arguments', text: '{"a": 1}' },
    ]);
    expect(read('Here: {"name": "f", "parameters": {}}', [], { format: BARE })).toEqual([
      { k: 'text', text: 'Here: {"name": "f", "parameters": {}}' },
    ]);
  });
});

test('a stop string is found across any cuts, and neither it nor the text after it is shown', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 30 });
  const stops = fc.array(
    fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 }),
    { minLength: 1, maxLength: 3 },
  );
  fc.assert(
    fc.property(letters, stops, fc.array(fc.nat(30), { maxLength: 10 }), (text, wanted, cuts) => {
      const reader = new StopStrings(wanted);
      const at = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((a, b) => a - b);
      let shown = '';
      for (const [i, from] of [0, ...at].entries())
        shown += reader.push(text.slice(from, at[i] ?? text.length));
      shown += reader.end();
      const firsts = wanted.map((stop) => text.indexOf(stop)).filter((index) => index !== -1);
      expect(reader.found !== undefined).toBe(firsts.length > 0);
      // If stop strings overlap, the one that ends first may be found before the one that begins
      // first. In both cases no stop string is shown.
      if (firsts.length === 0) expect(shown).toBe(text);
      else for (const stop of wanted) expect(shown.includes(stop)).toBe(false);
      expect(text.startsWith(shown)).toBe(true);
    }),
    { numRuns: 1_000 },
  );
});
