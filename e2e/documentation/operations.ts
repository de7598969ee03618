import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './blocks.ts';

/** What the API's own documents promise for a call: the status and the shape of its answer. */

export interface Operation {
  /** Method and path, such as `GET /v1/keys/{id}`. */
  readonly name: string;
  /** JSON Schema of the answer; absent where the documents have none. */
  readonly reply: object | undefined;
}

interface Documented {
  readonly paths: Record<
    string,
    Record<
      string,
      { responses?: Record<string, { content?: { 'application/json'?: { schema: object } } }> }
    >
  >;
}

const documents = ['openapi.json', 'openapi-operators.json'].map(
  (name) => JSON.parse(readFileSync(join(ROOT, 'docs', name), 'utf8')) as Documented,
);

const operations: readonly Operation[] = documents.flatMap(({ paths }) =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { responses }]) => ({
      name: `${method.toUpperCase()} ${path}`,
      reply: responses?.['200']?.content?.['application/json']?.schema,
    })),
  ),
);

/** Method and path of a `curl` line. */
export function calledOperation(line: string): string {
  const path =
    /(?:\$URL|\$ADMIN_URL|https?:\/\/[^/"'\s]+)(?<path>\/[^"'?\s]*)/.exec(line)?.groups?.['path'] ??
    '';
  const method =
    /-X (?<method>[A-Z]+)/.exec(line)?.groups?.['method'] ??
    (/ (?:-d|--data\S*) /.test(line) ? 'POST' : 'GET');
  return `${method} ${path}`;
}

/**
 * The documented operation that a `curl` line calls: the one with the fewest placeholders that
 * matches.
 */
export function operationOf(line: string): Operation | undefined {
  const called = calledOperation(line);
  const placeholders = ({ name }: Operation) => name.split('{').length;
  return operations
    .filter(({ name }) => patternOf(name).test(called))
    .toSorted((a, b) => placeholders(a) - placeholders(b))[0];
}

const patternOf = (name: string): RegExp =>
  new RegExp(
    `^${name
      .replaceAll('.', '\\.')
      .replaceAll('{name}', '.+')
      .replaceAll(/\{\w+\}/g, '[^/]+')}$`,
  );
