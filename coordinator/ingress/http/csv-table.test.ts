import fastify from 'fastify';
import { expect, test } from 'vitest';
import { sendCsv } from './csv-table.ts';

test('a table has every page, and no text in it can run as a formula', async () => {
  const pages = [
    { data: [{ name: '=HYPERLINK("https://example.com")', amount: -5 }], next: 'second' },
    { data: [{ name: 'plain', amount: 7 }] },
  ];
  await using server = fastify();
  server.get('/', (_request, reply) =>
    sendCsv(reply, {
      columns: ['name', 'amount'],
      after: undefined,
      limit: undefined,
      pageAfter: async (after) => pages[after === undefined ? 0 : 1] ?? { data: [] },
    }),
  );
  const { payload } = await server.inject('/');
  expect(payload.split('\n')).toEqual([
    'name,amount',
    `"'=HYPERLINK(""https://example.com"")",-5`,
    'plain,7',
    '',
  ]);
});
