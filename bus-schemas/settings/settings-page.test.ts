import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { setting } from './settings.ts';
import { settingsPage } from './settings-page.ts';

const PAGE = join(import.meta.dirname, '../../docs/configuration.md');

test('docs/configuration.md is what the schemas of the settings say (DINF_WRITE_API=1 writes it)', () => {
  const page = settingsPage();
  if (setting('DINF_WRITE_API')) writeFileSync(PAGE, page);
  expect(readFileSync(PAGE, 'utf8')).toBe(page);
});
