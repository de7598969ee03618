import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import { ROOT } from './blocks.ts';
import { decisionsIndex } from './decisions-index.ts';

/** DINF_WRITE_API=1 writes the page. */
const PAGE = join(ROOT, 'docs/decisions/README.md');
if (setting('DINF_WRITE_API')) writeFileSync(PAGE, decisionsIndex());

test('docs/decisions/README.md lists every record with its title (DINF_WRITE_API=1 writes it)', () => {
  const page = readFileSync(PAGE, 'utf8');
  expect(page).toBe(decisionsIndex());
  const records = readdirSync(join(ROOT, 'docs/decisions')).filter(
    (name) => name.endsWith('.md') && name !== 'README.md',
  );
  expect(records.filter((name) => !page.includes(`](${name})`))).toEqual([]);
});
