import { createRequire } from 'node:module';

type Serialize = (value: unknown) => string;
export type Compile = (schema: object, options?: object) => Serialize;

/** Makes one function for all schemas with the same content. */
export function compileOnce(build: Compile): Compile {
  const known = new Map<string, Serialize>();
  return (schema, options) => {
    const name = JSON.stringify([schema, options]);
    const made = known.get(name) ?? build(schema, options);
    known.set(name, made);
    return made;
  };
}

/**
 * Has Fastify compile the functions that write its answers once for each schema. Every start of an
 * ingress compiles the same ones, which would be a tenth of its time; a world starts it up to
 * twelve times, and a process lives many worlds. Fastify must be loaded later.
 */
export function installCompileOnce(): void {
  const requireOfFastify = createRequire(import.meta.resolve('fastify'));
  const compiler = requireOfFastify.resolve('@fastify/fast-json-stringify-compiler');
  if (compiler in requireOfFastify.cache) throw new Error('Fastify has its compiler already');
  const requireOfCompiler = createRequire(compiler);
  const build = requireOfCompiler('fast-json-stringify') as Compile;
  const loaded = requireOfCompiler.cache[requireOfCompiler.resolve('fast-json-stringify')];
  if (loaded === undefined) throw new Error('Fastify has another compiler of answers');
  loaded.exports = Object.assign(compileOnce(build), build);
}
