import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

/**
 * A statement that waits for the lock of a row sees that row as it is after the wait, and every
 * other row as it was before. So it must not decide by another table: the lock is a statement of its
 * own, and the next one reads.
 */
const WAITS = /\bFOR (?:NO KEY )?UPDATE\b(?!(?: OF \w+)? SKIP LOCKED)/;
const READ_TABLE = /\b(?:FROM|JOIN)\s+([a-z_]+)\b(?!\()/g;
const NAMED_PART = /\b([a-z_]+) AS \((?:SELECT|UPDATE|INSERT|DELETE|\s)/g;
const STATEMENT_IN_CODE = /Statement(?:<[^`]*>)?\([^`]*\)`([^`]*)`/g;

/** Statements that read another table, and why the rows that they read cannot be older. */
const ALLOWED: Readonly<Record<string, string>> = {
  'settlement/payments/store/lock-reversal.sql':
    'The transaction has locked the same row before, in a statement of its own.',
};

interface FoundStatement {
  readonly place: string;
  readonly text: string;
}

function statements(): FoundStatement[] {
  const read = (file: string) => readFileSync(join(import.meta.dirname, file), 'utf8');
  const files = globSync('**/store/*.sql', { cwd: import.meta.dirname }).map((file) => ({
    place: file,
    text: read(file),
  }));
  const code = globSync('**/*.ts', { cwd: import.meta.dirname })
    .filter((file) => !file.endsWith('.test.ts'))
    .flatMap((file) =>
      [...read(file).matchAll(STATEMENT_IN_CODE)].map(([, text = '']) => ({ place: file, text })),
    );
  return [...files, ...code];
}

function tablesReadBehindLock(text: string): string[] {
  if (!WAITS.test(text)) return [];
  const parts = new Set([...text.matchAll(NAMED_PART)].map(([, name]) => name));
  const tables = new Set([...text.matchAll(READ_TABLE)].map(([, name = '']) => name));
  return [...tables].filter((name) => !parts.has(name));
}

const decidesByAnother = (text: string) => tablesReadBehindLock(text).length > 1;

test('no statement that waits for a lock reads another table', () => {
  const found = statements().filter(({ text }) => decidesByAnother(text));
  expect([...new Set(found.map(({ place }) => place))]).toEqual(Object.keys(ALLOWED));
});

test.each([
  'SELECT v.status FROM providers p JOIN verdicts v ON v.provider = p.id WHERE p.id = $1 FOR UPDATE OF p',
  'SELECT id, (SELECT count(*) FROM uses WHERE uses.code = i.code) FROM invites i FOR UPDATE',
])('the check notices %s', (text) => {
  expect(decidesByAnother(text)).toBe(true);
});

test.each([
  'SELECT d.id FROM devices d JOIN checks c ON c.device = d.id FOR UPDATE OF d SKIP LOCKED',
  'WITH before AS (SELECT state FROM links FOR UPDATE), after AS (UPDATE links SET state = 1) SELECT state FROM before',
  'SELECT k.id FROM api_keys k JOIN unnest($1::text[]) AS u(id) USING (id) FOR UPDATE OF k',
])('the check allows %s', (text) => {
  expect(decidesByAnother(text)).toBe(false);
});
