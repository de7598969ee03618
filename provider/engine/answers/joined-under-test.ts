import type { AnswerPart } from './answer-reader.ts';

/** Joins adjacent parts of the same kind. */
export function joined(parts: readonly AnswerPart[]): AnswerPart[] {
  const list: AnswerPart[] = [];
  for (const part of parts) {
    const last = list.at(-1);
    if (last && last.k === part.k && 'text' in last && 'text' in part)
      list[list.length - 1] = { ...last, text: last.text + part.text };
    else list.push(part);
  }
  return list;
}
