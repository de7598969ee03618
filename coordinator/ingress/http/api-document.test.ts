import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { describe, expect, test } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import { createServer } from '#http-api/server.ts';
import { AdminApi } from '../admin/admin-api.ts';
import { addAdminRoutes } from '../admin/admin-routes.ts';
import { Api } from './api.ts';
import { documentApi } from './api-document.ts';
import { apiPage } from './api-page.ts';
import { addRoutes, type RoutesDeps } from './routes.ts';

/** With DINF_WRITE_API=1 this test writes the documents. */
const DOCS = join(import.meta.dirname, '../../../docs');
interface Operation {
  readonly summary?: string;
  readonly tags?: string[];
  readonly operationId?: string;
  readonly requestBody?: { readonly content?: Record<string, { readonly schema: TSchema }> };
  readonly 'x-example'?: { readonly body?: unknown };
  readonly parameters?: readonly { readonly name: string }[];
  readonly responses?: Record<string, object>;
  readonly security?: readonly object[];
  readonly description?: string;
}
const pass = async () => undefined;

async function documentOf(add: (server: ReturnType<typeof createServer>) => void) {
  const server = createServer({
    log: pino({ level: 'silent' }),
    trustedProxies: [],
    headersTimeoutMs: 1_000,
    requestTimeoutMs: 1_000,
  });
  const document = documentApi(server);
  add(server);
  await server.ready();
  return document();
}

// The routes are registered with empty dependencies, because only their descriptions are read.
const everyone = await documentOf((server) =>
  addRoutes(server, {
    auth: { key: pass, user: pass, keyOrUser: pass, session: pass },
    consoleFolder: '',
  } as unknown as RoutesDeps),
);
const operators = await documentOf((server) =>
  addAdminRoutes({
    admin: new AdminApi(new Api(server, { operator: pass }, undefined as never)),
    drain: { begin: () => undefined, cancel: () => undefined },
    metrics: new Registry(),
    now: Date.now,
    bus: undefined as never,
    cells: { digests: () => [], history: () => [] },
    decisions: { list: () => [] },
    incidents: { now: async () => ({ open: [], ended: [] }), watchesSince: 0 },
    missing: async () => [],
    degraded: async () => [],
  }),
);

const files: readonly [string, string][] = [
  ['openapi.json', `${JSON.stringify(everyone, null, 1)}\n`],
  ['openapi-operators.json', `${JSON.stringify(operators, null, 1)}\n`],
  ['api.md', apiPage([everyone, operators])],
];
if (setting('DINF_WRITE_API'))
  for (const [name, text] of files) writeFileSync(join(DOCS, name), text);

describe('the documents of the API', () => {
  test.each(files)('docs/%s agrees with the routes (DINF_WRITE_API=1 writes it)', (name, text) => {
    const file = join(DOCS, name);
    expect(existsSync(file) && readFileSync(file, 'utf8') === text).toBe(true);
  });

  test('have a summary and the admitted callers of every route', () => {
    for (const [path, operations] of [everyone, operators].flatMap(({ paths = {} }) =>
      Object.entries(paths),
    )) {
      for (const [method, operation] of Object.entries(operations as Record<string, Operation>)) {
        expect(operation.summary, `${method} ${path}`).toBeTruthy();
        expect(operation.tags, `${method} ${path}`).toHaveLength(1);
      }
    }
  });

  test.each([
    ['everyone', everyone],
    ['operators', operators],
  ])('have what generators of clients need, for %s', (_name, { paths = {}, tags: tagList }) => {
    const operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods as Record<string, Operation>).map(
        ([method, operation]) => [`${method} ${path}`, operation] as const,
      ),
    );
    expect(operations.length).toBeGreaterThan(10);
    const ids = operations.map(([, { operationId }]) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    const described = tagList?.map(({ name }) => name);
    for (const [name, operation] of operations) {
      const {
        operationId,
        parameters = [],
        responses = {},
        security,
        description,
        tags = [],
      } = operation;
      expect(operationId, name).toMatch(/^[a-z][A-Za-z0-9]+$/);
      expect(Object.keys(responses), name).toEqual(expect.arrayContaining(['4XX', '5XX']));
      expect(security, name).toBeDefined();
      expect(description, name).toMatch(/^(?:No key is needed\.|With an? )/);
      expect(described, name).toContain(tags[0]);
      for (const { name: parameter } of parameters)
        expect(parameter, name).toMatch(/^[A-Za-z][A-Za-z0-9_-]*$/);
    }
  });

  test.each([
    ['everyone', everyone],
    ['operators', operators],
  ])('have neither integers of 32 bits nor types that are only null, for %s', (_name, document) => {
    const text = JSON.stringify(document.paths);
    expect(text).toContain('"format":"int64"');
    expect(text.replaceAll(/"type":"integer"[^{}]*"format":"int64"/g, '')).not.toContain(
      '"type":"integer"',
    );
    expect(text).not.toMatch(/"[a-z_]+":\{"type":"null"\}/);
  });

  test.each([
    ['everyone', everyone],
    ['operators', operators],
  ])('have examples that fit their schemas, for %s', (_name, { paths = {} }) => {
    for (const [path, methods] of Object.entries(paths)) {
      for (const [method, operation] of Object.entries(methods as Record<string, Operation>)) {
        const schema = operation.requestBody?.content?.['application/json']?.schema;
        const body = operation['x-example']?.body;
        if (schema === undefined || body === undefined) continue;
        expect(Compile(schema).Errors(body), `${method} ${path}`).toEqual([]);
      }
    }
  });
});
