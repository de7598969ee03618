import { FolderWithSignsUnderTest } from './folder-with-signs-under-test.ts';

const numbered = (names: readonly string[]): Map<number, string> =>
  new Map(names.map((name, index) => [490 + index, name]));

/** A copy of the tiny model with the control tokens of GLM-4.5, and what its template does with calls. */
export const createGlmFolder = (): Promise<FolderWithSignsUnderTest> =>
  FolderWithSignsUnderTest.create({
    signs: numbered([
      ...['<|user|>', '<|assistant|>', '<|observation|>', '<think>', '</think>'],
      ...['<tool_call>', '</tool_call>', '<arg_key>', '</arg_key>', '<arg_value>', '</arg_value>'],
    ]),
    endToken: '<|user|>',
    template: `{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% for c in m.tool_calls or [] %}<tool_call>{{ c.function.name }}
{% for k, v in c.function.arguments.items() %}<arg_key>{{ k }}</arg_key>
<arg_value>{{ v if v is string else v | tojson }}</arg_value>
{% endfor %}</tool_call>{% endfor %}{% endfor %}<|assistant|>{% if not enable_thinking %}<think></think>{% endif %}`,
  });

/** A copy of the tiny model with the control tokens of Granite 3.3, whose tags are plain text. */
export const createGraniteFolder = (): Promise<FolderWithSignsUnderTest> =>
  FolderWithSignsUnderTest.create({
    signs: numbered(['<|start_of_role|>', '<|end_of_role|>', '<|end_of_text|>', '<|tool_call|>']),
    endToken: '<|end_of_text|>',
    template: `{% if thinking %}Write your thoughts between <think></think> and your response between <response></response>.{% endif %}{% if tools %}Respond only with <|tool_call|> and a list.{% endif %}{% for m in messages %}<|start_of_role|>{{ m.role }}<|end_of_role|>{{ m.content }}<|end_of_text|>{% endfor %}<|start_of_role|>assistant<|end_of_role|>`,
  });
