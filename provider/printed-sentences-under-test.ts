import { readFileSync } from 'node:fs';

/** Text with at least two words is written for a person. */
const SENTENCE = /[a-z]{2,}[,;:]? [a-z]/i;

/**
 * Returns the sentences in the source of a program that none of `printed` contains. A part of a
 * sentence that is computed counts as any text. Names, paths and comments are not sentences.
 */
export const sentencesWithoutCase = (source: URL, printed: Iterable<string>): string[] => {
  const all = [...printed];
  return literalsIn(readFileSync(source, 'utf8'))
    .filter((literal) => SENTENCE.test(literal.join(' ')))
    .filter((literal) => {
      const pattern = new RegExp(literal.map(escaped).join('[^]*?'));
      return !all.some((text) => pattern.test(text));
    })
    .map((literal) => literal.join('…'));
};

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** The texts in quotes of a TypeScript source, each split at its computed parts. */
function literalsIn(source: string): string[][] {
  const found: string[][] = [];
  let at = 0;
  /** Reads code up to its end, or up to the brace that closes a computed part. */
  const code = (): void => {
    for (let depth = 0; at < source.length; ) {
      const char = source[at] ?? '';
      if (source.startsWith('//', at)) at = after('\n');
      else if (source.startsWith('/*', at)) at = after('*/');
      else if (char === "'" || char === '`') found.push(literal(char));
      else {
        at += 1;
        if (char === '{') depth += 1;
        else if (char === '}' && depth === 0) return;
        else if (char === '}') depth -= 1;
      }
    }
  };
  const after = (end: string): number => {
    const place = source.indexOf(end, at);
    return place < 0 ? source.length : place + end.length;
  };
  const literal = (quote: string): string[] => {
    const parts = [''];
    for (at += 1; at < source.length; ) {
      const char = source[at] ?? '';
      if (char === quote) break;
      if (quote === '`' && source.startsWith('${', at)) {
        at += 2;
        code();
        parts.push('');
      } else {
        if (char === '\\') at += 1;
        parts.push(`${parts.pop()}${source[at]}`);
        at += 1;
      }
    }
    at += 1;
    return parts;
  };
  code();
  return found;
}
