import type { ClientBase, Pool, QueryResultRow } from 'pg';
import { query, type Statement } from './sql.ts';

/** A short statement with named parameters, which stands next to the function that uses it. */
export interface NamedStatement<Row, Parameter extends string> extends Statement {
  readonly parameters: readonly Parameter[];
  /** Has no value: it only carries the type of the rows. */
  readonly row?: Row;
}

/**
 * Makes a statement out of a template in which each parameter stands as its name:
 *
 *   namedStatement<{ name: string }>('keys.find')`SELECT name FROM api_keys WHERE id = ${'key'}`
 *
 * The names become `$1`, `$2` …; a name that is used twice becomes one number. The compiler demands
 * exactly these names from `queryNamed`. Values are never part of the text, so they cannot change
 * it.
 */
export const namedStatement =
  <Row extends QueryResultRow = Record<never, never>>(name: string) =>
  <const Parameter extends string>(
    text: TemplateStringsArray,
    ...names: readonly Parameter[]
  ): NamedStatement<Row, Parameter> => {
    const parameters = [...new Set(names)];
    const numbers = names.map((parameter) => `$${parameters.indexOf(parameter) + 1}`);
    return { name, text: String.raw({ raw: text }, ...numbers), parameters };
  };

export function queryNamed<Row extends QueryResultRow, Parameter extends string>(
  database: Pool | ClientBase,
  { parameters, ...statement }: NamedStatement<Row, Parameter>,
  values: Readonly<Record<Parameter, unknown>>,
): Promise<Row[]> {
  return query<Row>(
    database,
    statement,
    parameters.map((parameter) => values[parameter]),
  );
}
