import { beforeAll, expect, test } from 'vitest';
import { installCompileOnce } from './compile-once.ts';

let fastify: typeof import('fastify').fastify;
beforeAll(async () => {
  installCompileOnce();
  ({ fastify } = await import('fastify'));
});

interface Answer {
  readonly text: string;
  /** The function with which Fastify wrote it. */
  readonly serialize: unknown;
}

/** What a new server answers with a schema that lets one property through. */
async function answerWith(property: string): Promise<Answer> {
  await using server = fastify();
  const response = { 200: { type: 'object', properties: { [property]: { type: 'string' } } } };
  let serialize: unknown;
  server.get('/', { schema: { response } }, (_request, reply) => {
    serialize = reply.getSerializationFunction('200');
    return { first: 'one', second: 'two' };
  });
  const { body } = await server.inject('/');
  return { text: body, serialize };
}

test('servers with the same schema share one function, and others have their own', async () => {
  const [first, second, again] = [
    await answerWith('first'),
    await answerWith('second'),
    await answerWith('first'),
  ];
  expect(first.text).toBe('{"first":"one"}');
  expect(second.text).toBe('{"second":"two"}');
  expect(again).toEqual(first);
  expect(again.serialize).toBe(first.serialize);
  expect(second.serialize).not.toBe(first.serialize);
});
