import { FolderWithSignsUnderTest } from './folder-with-signs-under-test.ts';

const SIGNS = new Map(
  [
    '<|turn>',
    '<turn|>',
    '<|think|>',
    '<|channel>',
    '<channel|>',
    '<|tool_call>',
    '<tool_call|>',
    '<|tool_response>',
    '<|"|>',
  ].map((name, index) => [500 + index, name]),
);

/** Has the structure of the template of Gemma 4, without the declarations of tools. */
const TEMPLATE = `{%- if enable_thinking or tools -%}<|turn>system
{% if enable_thinking %}<|think|>{% endif %}{% for tool in tools or [] %}{{ tool.function.name }}{% endfor %}<turn|>
{% endif -%}
{%- for message in messages -%}
<|turn>{{ 'model' if message.role == 'assistant' else message.role }}
{% for call in message.tool_calls or [] %}<|tool_call>call:{{ call.function.name }}{}<tool_call|>{% endfor %}{{ message.content | trim }}<turn|>
{% endfor -%}
{%- if add_generation_prompt -%}<|turn>model
{% if not enable_thinking %}<|channel>thought
<channel|>{% endif %}{%- endif -%}`;

/** A copy of the tiny model whose tokenizer and template have the control tokens of Gemma 4. */
export const createGemma4Folder = (): Promise<FolderWithSignsUnderTest> =>
  FolderWithSignsUnderTest.create({ signs: SIGNS, endToken: '<turn|>', template: TEMPLATE });
