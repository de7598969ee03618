import { createRequire } from 'node:module';
import type { FastifyServerOptions } from 'fastify';

type Factories = NonNullable<
  NonNullable<FastifyServerOptions['schemaController']>['compilersFactory']
>;
/** Its declarations know only the compiler of Fastify. */
export type BuildValidator = NonNullable<Factories['buildValidator']>;
type BuildSerializer = NonNullable<Factories['buildSerializer']>;

/** Loads the compiler of Fastify, which is a package of its own that only Fastify names. */
const fastifys = (): BuildSerializer =>
  createRequire(import.meta.resolve('fastify'))('@fastify/fast-json-stringify-compiler')();

/**
 * Compiles the function that writes the replies of a route at its first reply. To compile those of all
 * routes takes half a second of processor time, which the start of an ingress would wait for.
 */
export const buildLazySerializer: BuildSerializer = (schemas, options) => {
  let compile: ReturnType<BuildSerializer> | undefined;
  return (route) => {
    let write: ReturnType<ReturnType<BuildSerializer>> | undefined;
    return (reply) => {
      compile ??= fastifys()(schemas, options);
      write ??= compile(route);
      return write(reply);
    };
  };
};
