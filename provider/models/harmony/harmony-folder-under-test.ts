import { FolderWithSignsUnderTest } from '../folder-with-signs-under-test.ts';

const SIGNS = new Map([
  [1, '<|start|>'],
  [2, '<|end|>'],
  [505, '<|channel|>'],
  [506, '<|message|>'],
  [507, '<|constrain|>'],
  [508, '<|call|>'],
  [509, '<|return|>'],
]);

/** A copy of the tiny model whose tokenizer and template are those of the Harmony format. */
export const createHarmonyFolder = (): Promise<FolderWithSignsUnderTest> =>
  FolderWithSignsUnderTest.create({
    signs: SIGNS,
    endToken: '<|return|>',
    template: '{{ "<|start|>assistant<|channel|>final<|message|>" }}',
  });
