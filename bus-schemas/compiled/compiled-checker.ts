import { createRequire } from 'node:module';
import type { Static, TSchema } from 'typebox';
import type { Validator } from 'typebox/schema';
import { type Checker, checkerFrom } from './checker.ts';

const require = createRequire(import.meta.url);

/**
 * Returns a check of values against a schema. It is compiled to a function at its first use, because
 * a process uses few of the schemas that it loads. The compiler, 235 modules, is loaded then too.
 */
export function checkerOf<Schema extends TSchema>(schema: Schema): Checker<Static<Schema>> {
  let compiled: Validator | undefined;
  const validator = (): Validator => {
    const { Compile }: typeof import('typebox/schema') = require('typebox/schema');
    compiled = Compile(schema);
    return compiled;
  };
  return checkerFrom(
    (value) => (compiled ?? validator()).Check(value),
    (value) => (compiled ?? validator()).Errors(value)[1],
  );
}
