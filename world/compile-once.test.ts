import { expect, test } from 'vitest';
import { type Compile, compileOnce } from './compile-once.ts';

const schemaOf = (property: string) => ({ properties: { [property]: { type: 'string' } } });

test('schemas with the same content share one function, and others have their own', () => {
  const build: Compile = (schema, options) => () => JSON.stringify({ schema, options });
  const compile = compileOnce(build);
  const first = compile(schemaOf('first'), { rounding: 'ceil' });
  expect(compile(schemaOf('first'), { rounding: 'ceil' })).toBe(first);
  for (const other of [
    compile(schemaOf('second'), { rounding: 'ceil' }),
    compile(schemaOf('first'), { rounding: 'floor' }),
    compile(schemaOf('first')),
  ])
    expect(other(undefined)).not.toBe(first(undefined));
});
