import { expect, test } from 'vitest';
import { endAll } from './end-all.ts';

test('everything is ended even if one end fails, and each failure is thrown with its cause', async () => {
  const ended: string[] = [];
  const failing = (what: string) => ({
    what,
    end: async () => {
      ended.push(what);
      throw new Error(`${what} is stuck`);
    },
  });
  const fine = (what: string) => ({ what, end: async () => void ended.push(what) });
  const failure = await endAll([
    fine('ingress'),
    failing('routing'),
    failing('hub'),
    fine('database'),
  ]).catch((error: unknown) => error);
  expect(ended).toEqual(['ingress', 'routing', 'hub', 'database']);
  expect(failure).toBeInstanceOf(AggregateError);
  expect((failure as AggregateError).errors.map(({ cause }) => cause.message)).toEqual([
    'routing is stuck',
    'hub is stuck',
  ]);
});
