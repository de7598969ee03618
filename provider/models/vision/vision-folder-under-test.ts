import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { VISION_FOLDER } from '../../engine/vision/vision-under-test.ts';
import { FolderWithSignsUnderTest } from '../folder-with-signs-under-test.ts';

/** The tokens of images have the numbers that the configuration of the small Gemma 3 names. */
const SIGNS = new Map(
  [
    '<start_of_image>',
    '<end_of_image>',
    '<image_soft_token>',
    '<start_of_turn>',
    '<end_of_turn>',
    '<bos>',
  ].map((name, index) => [500 + index, name]),
);

/** Has the structure of the template of Gemma 3. */
const TEMPLATE = `<bos>{%- for message in messages -%}
<start_of_turn>{{ 'model' if message.role == 'assistant' else message.role }}
{% if message.content is string %}{{ message.content | trim }}{% else %}{% for item in message.content %}{% if item.type == 'image' %}<start_of_image>{% else %}{{ item.text | trim }}{% endif %}{% endfor %}{% endif %}<end_of_turn>
{% endfor -%}
{%- if add_generation_prompt -%}<start_of_turn>model
{% endif -%}`;

/** The small Gemma 3 of the fixtures, with a tokenizer and a template. */
export async function createVisionFolder(): Promise<FolderWithSignsUnderTest> {
  const folder = await FolderWithSignsUnderTest.create({
    signs: SIGNS,
    endToken: '<end_of_turn>',
    template: TEMPLATE,
  });
  for (const name of ['config.json', 'model.safetensors', 'preprocessor_config.json'])
    await copyFile(join(VISION_FOLDER, name), join(folder.path, name));
  return folder;
}
