import { describe, expect, test } from 'vitest';
import { formatOf } from '../answers/formats.ts';
import { ChatTemplate } from './chat-template.ts';

const GENERAL = `{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}</>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}`;
/** Like Gemma's template: refuses roles that do not alternate. */
const STRICT = `{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate') }}{% endif %}<{{ m.role }}>{{ m.content }}</>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}`;
/** Like templates that read only the first system message. */
const SILENT = `{% for m in messages %}{% if m.role != 'system' %}<{{ m.role }}>{{ m.content }}</>{% endif %}{% endfor %}`;

const render = (text: string, messages: { role: string; content: string }[], more = {}) =>
  new ChatTemplate({
    text,
    config: {},
    format: formatOf({ template: text, has: (token) => token === '[TOOL_CALLS]' }),
  }).render({ messages, max_tokens: 1, ...more });
const later = [
  { role: 'user', content: 'a' },
  { role: 'system', content: 'Be brief.' },
  { role: 'assistant', content: 'b' },
  { role: 'user', content: 'c' },
];

describe('a system message inside the conversation', () => {
  test('is rendered in its place where the template can do it', () => {
    expect(render(GENERAL, later)).toBe(
      '<user>a</><system>Be brief.</><assistant>b</><user>c</><assistant>',
    );
  });

  test.each([
    ['refuses it', STRICT],
    ['leaves it out', SILENT],
  ])('becomes a part of the message of the user where the template %s', (_what, text) => {
    expect(render(text, later)).toContain('<user>a\n\nBe brief.</><assistant>b</><user>c</>');
  });
});

test('an answer continues the last message, without the mark of its end', () => {
  const messages = [
    { role: 'user', content: 'a' },
    { role: 'assistant', content: 'The answer is ' },
  ];
  expect(render(GENERAL, messages, { continue_final_message: true })).toBe(
    '<user>a</><assistant>The answer is',
  );
});

/** Like templates of Mistral: refuses ids that are not nine letters and digits. */
const MISTRAL = `{% for m in messages %}{% for call in m.tool_calls or [] %}{% if call.id | length != 9 %}{{ raise_exception('ids have nine characters') }}{% endif %}[TOOL_CALLS]{{ call.function.name }}[CALL_ID]{{ call.id }}{% endfor %}{% if m.tool_call_id %}[TOOL_RESULTS]{{ m.tool_call_id }}{% endif %}{% endfor %}`;

test('ids of calls are short where the template is one of Mistral, and the results have the same', () => {
  const called = (id: string) => ({
    role: 'assistant',
    content: '',
    tool_calls: [{ id, type: 'function', function: { name: 'f', arguments: '{}' } }],
  });
  const result = (id: string) => ({ role: 'tool', tool_call_id: id, content: '1' });
  const long = 'call_0123456789abcdef01234567';
  const text = String(render(MISTRAL, [called(long), result(long)]));
  const short = /\[CALL_ID\](.{9})\[TOOL_RESULTS\]/.exec(text)?.[1];
  expect(short).toMatch(/^[0-9a-f]{9}$/);
  expect(text.endsWith(String(short))).toBe(true);
  expect(render(MISTRAL, [called('abcDEF123'), result('abcDEF123')])).toContain(
    '[CALL_ID]abcDEF123',
  );
});

test('the template of SmolLM3 gets the tools under its own name', () => {
  const tools = [{ type: 'function', function: { name: 'weather' } }];
  const text = '{% for tool in xml_tools or [] %}{{ tool.function.name }}{% endfor %}';
  expect(render(text, [], { tools })).toBe('weather');
  expect(render(text, [], { tools, tool_choice: 'none' })).toBe('');
});
