import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import { DASHBOARDS } from './dashboards.ts';
import { grafanaJson } from './grafana.ts';

/** DINF_WRITE_API=1 writes the files. */
const FOLDER = join(import.meta.dirname, 'dashboards');

describe.each(Object.entries(DASHBOARDS))('the dashboard %s', (name, dashboard) => {
  test('is what its description says (DINF_WRITE_API=1 writes it)', () => {
    const file = join(FOLDER, `${name}.json`);
    const text = grafanaJson(name, dashboard);
    if (setting('DINF_WRITE_API')) writeFileSync(file, text);
    expect(readFileSync(file, 'utf8')).toBe(text);
  });

  test('has a title of its own for each panel', () => {
    const titles = dashboard.panels.map(({ title }) => title);
    expect(new Set(titles).size).toBe(titles.length);
  });
});
