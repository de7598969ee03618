/**
 * A part of a prompt: a control token by its name, or text. Text never becomes a control token, even
 * if it spells the name of one.
 */
export type PromptPart = { readonly sign: string } | { readonly text: string };

/** What a template wrote. In it, the names of control tokens count. */
interface Markup {
  readonly markup: string;
}

/** A prompt as markup, or in parts. */
export type Prompt = string | readonly (PromptPart | Markup)[];

/** Number of characters of the prompt's texts. */
export const promptLength = (prompt: Prompt): number =>
  typeof prompt === 'string'
    ? prompt.length
    : prompt.reduce((sum, part) => sum + lengthOf(part), 0);

function lengthOf(part: PromptPart | Markup): number {
  if ('sign' in part) return 1;
  return 'text' in part ? part.text.length : part.markup.length;
}

/** The markup at the end of a prompt. */
export function markupAtEnd(prompt: Prompt): string {
  if (typeof prompt === 'string') return prompt;
  const last = prompt.at(-1);
  return last !== undefined && 'markup' in last ? last.markup : '';
}
