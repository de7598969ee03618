const LINK = /\[([^\]]+)\]\([^)]+\)/g;

/**
 * The sections of a runbook by their titles. Links become plain text: they lead to files of the
 * documentation, which the pages of the console do not have.
 */
export function runbookSections(markdown: string): Map<string, string> {
  const [, ...sections] = markdown.split(/^## /m);
  return new Map(
    sections.map((section) => {
      const [title = '', ...lines] = section.split('\n');
      return [title.trim(), lines.join('\n').trim().replaceAll(LINK, '$1')];
    }),
  );
}
