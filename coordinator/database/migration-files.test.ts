import { describe, expect, test } from 'vitest';
import { readMigrations } from './migration-files.ts';

const CONTRACT_STATEMENTS: readonly RegExp[] = [
  /\bDROP (TABLE|COLUMN|FUNCTION|PROCEDURE|VIEW|MATERIALIZED VIEW|TYPE|SCHEMA|SEQUENCE|DOMAIN)\b/i,
  // The word COLUMN may be left out.
  /\bALTER TABLE\b[^;]*\bDROP (?!CONSTRAINT\b|DEFAULT\b|NOT NULL\b|IDENTITY\b|EXPRESSION\b)/i,
  /\bRENAME\b/i,
  /\bALTER (COLUMN )?\w+ (SET DATA )?TYPE\b/i,
  /\bSET NOT NULL\b/i,
  /\bADD (COLUMN )?(IF NOT EXISTS )?(?!CONSTRAINT\b|CHECK\b)\w+ (?![^,;]*\b(DEFAULT|GENERATED)\b)[^,;]*\bNOT NULL\b/i,
  // `TRUNCATE ON` is a part of a trigger.
  /\b(REVOKE|TRUNCATE(?! ON\b))\b/i,
];

const CREATED_TABLE = /\bCREATE TABLE (?:IF NOT EXISTS )?(\w+)/gi;
const REVOKED = /\bREVOKE [\w ,]+ ON (\w+(?:, \w+)*) FROM\b/gi;

/** The first statement that the previous version could not work with, or undefined. */
function contractStatement(sql: string): string | undefined {
  const text = sql
    .replaceAll(/--.*$/gm, '')
    .replaceAll(/'[^']*'/g, "''")
    .replaceAll(/\s+/g, ' ');
  const created = new Set([...text.matchAll(CREATED_TABLE)].map(([, table = '']) => table));
  const ofOldTables = text.replaceAll(REVOKED, (statement, tables: string) =>
    tables.split(', ').every((table) => created.has(table)) ? '' : statement,
  );
  return CONTRACT_STATEMENTS.map((pattern) => pattern.exec(ofOldTables)?.[0]).find(
    (found) => found !== undefined,
  );
}

describe('a migration of the kind expand', () => {
  test('has no statement that the previous version cannot work with', async () => {
    const expand = (await readMigrations()).filter(
      ({ name, kind }) => kind === 'expand' && name > '0100z',
    );
    expect(
      expand.flatMap(({ name, text }) => {
        const statement = contractStatement(text);
        return statement === undefined ? [] : [`${name}: ${statement}`];
      }),
    ).toEqual([]);
  });

  test.each([
    'DROP TABLE holds',
    'ALTER TABLE holds DROP COLUMN held',
    'ALTER TABLE holds\n  ADD COLUMN a int,\n  DROP held',
    'DROP FUNCTION ledger_hold(text)',
    'ALTER TABLE holds RENAME TO reserved',
    'ALTER TABLE holds RENAME held TO reserved',
    'ALTER TABLE holds ALTER COLUMN held TYPE numeric',
    'ALTER TABLE holds ALTER held SET DATA TYPE numeric',
    'ALTER TABLE holds ALTER COLUMN held SET NOT NULL',
    'ALTER TABLE holds ADD COLUMN a text NOT NULL',
    "ALTER TABLE holds ADD COLUMN a text NOT NULL DEFAULT '', ADD COLUMN b text NOT NULL",
    'REVOKE UPDATE ON holds FROM dinf_service',
    'CREATE TABLE a (b text); REVOKE UPDATE ON a, holds FROM dinf_service',
  ])('may not contain: %s', (statement) => {
    expect(contractStatement(`-- a comment\n${statement};`)).toBeDefined();
  });

  test.each([
    'CREATE TABLE a (b text NOT NULL)',
    'ALTER TABLE holds ADD COLUMN a text',
    "ALTER TABLE holds ADD COLUMN a text NOT NULL DEFAULT 'RENAME'",
    'ALTER TABLE holds ALTER COLUMN held DROP NOT NULL',
    'CREATE TABLE a (b text); REVOKE UPDATE, DELETE ON a FROM dinf_service',
    'CREATE TRIGGER a BEFORE UPDATE OR TRUNCATE ON holds EXECUTE FUNCTION refuse_change()',
    'ALTER TABLE holds DROP CONSTRAINT a, ADD CONSTRAINT a CHECK (held IS NOT NULL)',
    'CREATE INDEX a ON holds (held)\n-- the previous one is dropped: DROP TABLE',
  ])('may contain: %s', (statement) => {
    expect(contractStatement(`${statement};`)).toBeUndefined();
  });
});
