const LINK = /\[([^\]]+)\]\([^)]+\)/g;

/** Blocks whose lines are not one text: lists, tables and code. */
const OF_LINES = /^(?:[-*|`]|\d+\.)/;

/**
 * The sections of a runbook by their titles, with each paragraph in one line. Links become plain text: they lead to files of the
 * documentation, which the pages of the console do not have.
 */
export function runbookSections(markdown: string): Map<string, string> {
  const [, ...sections] = markdown.split(/^## /m);
  return new Map(
    sections.map((section) => {
      const [title = '', ...lines] = section.split('\n');
      return [title.trim(), inOneLine(lines.join('\n').trim()).replaceAll(LINK, '$1')];
    }),
  );
}

const inOneLine = (text: string): string =>
  text
    .split('\n\n')
    .map((block) => (OF_LINES.test(block) ? block : block.replaceAll('\n', ' ')))
    .join('\n\n');
