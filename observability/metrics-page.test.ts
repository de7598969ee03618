import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import { METRICS } from './metric-table.ts';
import { metricsPage } from './metrics-page.ts';

/** DINF_WRITE_API=1 writes the page. */
const PAGE = join(import.meta.dirname, '../docs/operating/metrics.md');

test('docs/operating/metrics.md is what the table of figures says (DINF_WRITE_API=1 writes it)', () => {
  const page = metricsPage();
  if (setting('DINF_WRITE_API')) writeFileSync(PAGE, page);
  expect(readFileSync(PAGE, 'utf8')).toBe(page);
});

test('no two tables have a figure of the same name, because the later one would replace it', () => {
  const folder = join(import.meta.dirname, 'figures');
  const names = readdirSync(folder).flatMap((file) => [
    ...readFileSync(join(folder, file), 'utf8').matchAll(/^ {2}(dinf_\w+):/gm),
  ]);
  expect(names).toHaveLength(Object.keys(METRICS).length);
});
