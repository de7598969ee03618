/**
 * A part of a prompt: a control token by its name, or text. Text never becomes a control token, even
 * if it spells the name of one.
 */
export type PromptPart = { readonly sign: string } | { readonly text: string };

/** A prompt as text, in which the names of control tokens count, or in parts. */
export type Prompt = string | readonly PromptPart[];

/** Number of characters of the prompt's texts. */
export const promptLength = (prompt: Prompt): number =>
  typeof prompt === 'string'
    ? prompt.length
    : prompt.reduce((sum, part) => sum + ('text' in part ? part.text.length : 1), 0);
