import { createRequire } from 'node:module';

type Serialize = (value: unknown) => string;
type Build = (schema: object, options?: object) => Serialize;

/**
 * Has Fastify compile the functions that write its answers once for each schema. Every start of an
 * ingress compiles the same ones, which would be a tenth of its time; a world starts it up to
 * twelve times, and a process lives many worlds.
 */
export function installCompileOnce(): void {
  const requireOfFastify = createRequire(import.meta.resolve('fastify'));
  const compiler = createRequire(requireOfFastify.resolve('@fastify/fast-json-stringify-compiler'));
  const path = compiler.resolve('fast-json-stringify');
  const build = compiler(path) as Build;
  const known = new Map<string, Serialize>();
  const buildOnce: Build = (schema, options) => {
    const name = JSON.stringify([schema, options]);
    const made = known.get(name) ?? build(schema, options);
    known.set(name, made);
    return made;
  };
  const loaded = compiler.cache[path];
  if (loaded === undefined) throw new Error('Fastify has another compiler of answers');
  loaded.exports = Object.assign(buildOnce, build);
}
