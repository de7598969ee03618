import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { metricsPage } from './metrics-page.ts';

/** DINF_WRITE_API=1 writes the page. */
const PAGE = join(import.meta.dirname, '../docs/operating/metrics.md');

test('docs/operating/metrics.md is what the table of figures says (DINF_WRITE_API=1 writes it)', () => {
  const page = metricsPage();
  if (process.env['DINF_WRITE_API'] === '1') writeFileSync(PAGE, page);
  expect(readFileSync(PAGE, 'utf8')).toBe(page);
});
