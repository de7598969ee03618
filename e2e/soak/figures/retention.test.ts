import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { eventStreams } from '#bus-schemas';
import { ROOT } from '../../source-folders.ts';
import { retainedTables, rowsOf } from './retention.ts';

const MIGRATIONS = join(ROOT, 'coordinator/migrations');
const MiB = 1024 * 1024;

/** The tables that the migrations leave behind. `dinf migrate` makes one for itself. */
function tablesOfMigrations(): string[] {
  const tables = new Set(['migrations']);
  for (const file of readdirSync(MIGRATIONS).toSorted()) {
    const text = readFileSync(join(MIGRATIONS, file), 'utf8').replace(/--.*$/gm, '');
    for (const [, made = '', dropped = ''] of text.matchAll(
      /CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?(\w+)|DROP TABLE (?:IF EXISTS )?([\w, ]+)/gi,
    )) {
      if (made !== '') tables.add(made);
      for (const name of dropped.split(',')) tables.delete(name.trim());
    }
  }
  return [...tables].toSorted();
}

describe('docs/operating/retention.md', () => {
  test('has every table of the migrations, and no other', () => {
    expect(
      retainedTables()
        .map(({ table }) => table)
        .toSorted(),
    ).toEqual(tablesOfMigrations());
  });

  test('states for each table what it grows with and how long rows are kept', () => {
    for (const { table, growsWith, keptFor } of retainedTables()) {
      expect([table, growsWith]).toEqual([
        table,
        expect.stringMatching(/^(requests|running requests|time|administration|nothing)$/),
      ]);
      expect([table, keptFor]).toEqual([table, expect.stringMatching(/\w/)]);
    }
  });

  test('has every stream with its age and size', () => {
    const hours = (text = '') => Number.parseInt(text, 10) * (text.includes('day') ? 24 : 1);
    const streams = rowsOf('Streams').map(([name, , age, size = '']) => ({
      name,
      maxAgeHours: hours(age),
      maxBytes: Number.parseInt(size, 10) * MiB,
    }));
    expect(streams).toEqual(
      eventStreams.map(({ name, maxAgeHours, maxBytes }) => ({ name, maxAgeHours, maxBytes })),
    );
  });
});
