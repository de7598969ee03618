import type { Model } from '../../models/model.ts';
import type { PromptPart } from '../../models/prompt-part.ts';
import type { Grammars } from './grammars.ts';
import type { RequiredForm } from './required-form.ts';

/** Returns true if a grammar allows the whole answer and then its end. */
export async function allowsAnswer(
  { model, grammars }: { model: Model; grammars: Grammars },
  form: RequiredForm,
  answer: readonly PromptPart[],
): Promise<boolean> {
  const constraint = await grammars.open(form);
  const isIn = (mask: Int32Array | undefined, token: number) =>
    mask === undefined || (((mask[token >> 5] as number) >>> (token & 31)) & 1) === 1;
  try {
    for (const token of model.tokenizer.encode(answer)) {
      const mask = await constraint.mask();
      if (mask === undefined || !isIn(mask, token)) return false;
      constraint.accept(token);
    }
    const mask = await constraint.mask();
    return [...model.endTokens].some((token) => isIn(mask, token));
  } finally {
    constraint.close();
  }
}
