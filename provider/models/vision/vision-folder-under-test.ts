import { copyFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type VisionFixtureName, visionFolder } from '../../engine/vision/vision-under-test.ts';
import { FolderWithSignsUnderTest } from '../folder-with-signs-under-test.ts';

interface Style {
  /** They get the numbers from 500 on, which the configurations of the small models name. */
  readonly signs: readonly string[];
  readonly endToken: string;
  readonly template: string;
}

/** Has the structure of the template of Gemma 3. */
const GEMMA: Style = {
  signs: [
    '<start_of_image>',
    '<end_of_image>',
    '<image_soft_token>',
    '<start_of_turn>',
    '<end_of_turn>',
    '<bos>',
  ],
  endToken: '<end_of_turn>',
  template: `<bos>{%- for message in messages -%}
<start_of_turn>{{ 'model' if message.role == 'assistant' else message.role }}
{% if message.content is string %}{{ message.content | trim }}{% else %}{% for item in message.content %}{% if item.type == 'image' %}<start_of_image>{% else %}{{ item.text | trim }}{% endif %}{% endfor %}{% endif %}<end_of_turn>
{% endfor -%}
{%- if add_generation_prompt -%}<start_of_turn>model
{% endif -%}`,
};

/** Has the structure of the template of Qwen3-VL. */
const QWEN: Style = {
  signs: [
    '<|vision_start|>',
    '<|vision_end|>',
    '<|image_pad|>',
    '<|video_pad|>',
    '<|im_start|>',
    '<|im_end|>',
  ],
  endToken: '<|im_end|>',
  template: `{%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\\n' }}
{%- if message.content is string %}{{- message.content }}{% else %}{% for item in message.content %}{% if item.type == 'image' or 'image_url' in item %}<|vision_start|><|image_pad|><|vision_end|>{% elif 'text' in item %}{{- item.text }}{% endif %}{% endfor %}{% endif %}
{{- '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' }}{%- endif -%}`,
};

/** Has the structure of the template of Gemma 4. */
const GEMMA4: Style = {
  signs: ['<|image>', '<image|>', '<|image|>', '<|turn>', '<turn|>', '<bos>'],
  endToken: '<turn|>',
  template: `<bos>{%- for message in messages -%}
<|turn>{{ 'model' if message.role == 'assistant' else message.role }}
{% if message.content is string %}{{ message.content | trim }}{% else %}{% for item in message.content %}{% if item.type == 'image' %}{{ '<|image|>' }}{% else %}{{ item.text | trim }}{% endif %}{% endfor %}{% endif %}<turn|>
{% endfor -%}
{%- if add_generation_prompt -%}<|turn>model
{% endif -%}`,
};

const STYLES: Record<VisionFixtureName, Style> = {
  'gemma3-vision': GEMMA,
  'qwen3-vl': QWEN,
  'qwen3-vl-moe': QWEN,
  'qwen3-5-vision': QWEN,
  'qwen3-5-moe-vision': QWEN,
  'gemma4-vision': GEMMA4,
  'gemma4-vision-whole': GEMMA4,
};

/** A small model of the fixtures, with a tokenizer and a template. */
export async function createVisionFolder(
  name: VisionFixtureName = 'gemma3-vision',
): Promise<FolderWithSignsUnderTest> {
  const { signs, endToken, template } = STYLES[name];
  const folder = await FolderWithSignsUnderTest.create({
    signs: new Map(signs.map((sign, index) => [500 + index, sign])),
    endToken,
    template,
  });
  const from = visionFolder(name);
  // All but what transformers computes with the model.
  for (const file of (await readdir(from)).filter((each) => each !== 'expected.json'))
    await copyFile(join(from, file), join(folder.path, file));
  return folder;
}
