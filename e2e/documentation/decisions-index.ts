import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './blocks.ts';

/** docs/decisions/README.md: the records by subject, with their titles. */

const FOLDER = join(ROOT, 'docs/decisions');
/** Numbers are given out by subject: each begins with the number on its left. */
const SUBJECTS: readonly (readonly [first: number, subject: string])[] = [
  [0, 'Building, starting and the bus'],
  [10, 'Tests and the services that they need'],
  [20, 'Money'],
  [50, 'Routing'],
  [60, 'The API and accounts'],
  [70, 'Engines and models'],
  [77, 'The database in operation'],
  [80, 'Trust and blind mode'],
  [90, 'Faults'],
];

const INTRO = `# Decisions

Choices that others would question, one record each: what was chosen, why, and what it costs. A record describes the
time at which it was written; what holds today is in [ARCHITECTURE.md](../ARCHITECTURE.md). Generated from the titles of the
records (\`DINF_WRITE_API=1\` and the test \`decisions-index\`).`;

export function decisionsIndex(): string {
  const records = readdirSync(FOLDER).filter((name) => /^\d{4}-.*\.md$/.test(name));
  const sections = SUBJECTS.flatMap(([first, subject], index) => {
    const end = SUBJECTS[index + 1]?.[0] ?? Number.POSITIVE_INFINITY;
    const within = records.filter(
      (name) => Number.parseInt(name, 10) >= first && Number.parseInt(name, 10) < end,
    );
    return within.length === 0 ? [] : [`## ${subject}`, within.toSorted().map(entry).join('\n')];
  });
  return `${[INTRO, ...sections].join('\n\n')}\n`;
}

function entry(name: string): string {
  const title = /^# (.*)$/m.exec(readFileSync(join(FOLDER, name), 'utf8'))?.[1];
  if (title === undefined) throw new Error(`${name} has no title`);
  return `- [${title}](${name})`;
}
