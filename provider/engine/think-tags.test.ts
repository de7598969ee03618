import { expect, test } from 'vitest';
import { FolderWithSignsUnderTest } from '../models/folder-with-signs-under-test.ts';
import { openModel } from '../models/model.ts';
import { answered } from './answered-under-test.ts';

test('reasoning in tags that only the vocabulary has, even as control tokens, never becomes text', async () => {
  await using folder = await FolderWithSignsUnderTest.create({
    signs: new Map([
      [500, '<think>'],
      [501, '</think>'],
      [502, '<|end|>'],
    ]),
    endToken: '<|end|>',
    template: '{% for m in messages %}{{ m.content }}{% endfor %}',
  });
  const model = await openModel(folder.path);
  const { text, reasoning } = answered(
    model,
    [{ sign: '<think>' }, { text: 'secret' }, { sign: '</think>' }, { text: '\nHello' }],
    { messages: [{ role: 'user', content: 'a' }], max_tokens: 100 },
  );
  expect({ text, reasoning }).toEqual({ text: 'Hello', reasoning: 'secret' });
});
