import pino from 'pino';
import { describe, expect, test } from 'vitest';
import { Type } from '#bus-schemas/type.ts';
import { createServer } from './server.ts';

const server = createServer({
  log: pino({ level: 'silent' }),
  trustedProxies: [],
  headersTimeoutMs: 1_000,
  requestTimeoutMs: 1_000,
});
const querystring = Type.Object({
  limit: Type.Optional(Type.Integer()),
  all: Type.Optional(Type.Boolean()),
  name: Type.Optional(Type.String()),
});
server.get('/', { schema: { querystring } }, async ({ query }) => ({ query }));

describe('a query', () => {
  test.each([
    ['limit=20', { limit: 20 }],
    ['limit=-1', { limit: -1 }],
    ['all=true', { all: true }],
    ['all=false', { all: false }],
    ['name=7', { name: '7' }],
  ])('%s has the types of its parameters', async (query, expected) => {
    expect((await server.inject(`/?${query}`)).json()).toEqual({ query: expected });
  });

  test.each(['limit=true', 'limit=', 'limit=1e3', 'limit=0x10', 'limit=1.5', 'all=1', 'all='])(
    '%s is refused',
    async (query) => {
      const answer = await server.inject(`/?${query}`);
      expect(answer.statusCode).toBe(400);
      expect(answer.json().error.param).toBe(query.split('=')[0]);
    },
  );
});
