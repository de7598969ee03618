import type { FastifyInstance } from 'fastify';
import { encodingSurfaces } from './core/encodings/encoding-surfaces.ts';
import type { Surface } from './core/surfaces/surface.ts';
import { surfaces } from './core/surfaces/surfaces.ts';
import { allowPreflight } from './cross-origin.ts';
import { ApiError } from './errors.ts';

/** A path of the API as a pattern, and the methods that it has. */
interface KnownPath {
  readonly pattern: RegExp;
  readonly methods: Set<string>;
  isForBrowsers: boolean;
}

/**
 * Answers requests that no route matches: 405 with `Allow` if the path has other methods, 204 to a
 * browser that asks for its permission, and 404 otherwise. Must be called before routes are added.
 *
 * The answer does not depend on the body, which is not read: Fastify would refuse some methods and
 * types of content before the handler of unknown routes runs.
 */
export function answerUnknownRoutes(server: FastifyInstance): void {
  const paths = new Map<string, KnownPath>();
  server.addHook('onRoute', ({ url, method, config }) => {
    const known = paths.get(url) ?? {
      pattern: patternOf(url),
      methods: new Set<string>(),
      isForBrowsers: false,
    };
    for (const each of [method].flat()) known.methods.add(each);
    known.isForBrowsers ||= config?.isForBrowsers === true;
    paths.set(url, known);
  });
  server.addHook('onRequest', async (request, reply) => {
    if (!request.is404) return;
    const path = request.url.split('?', 1)[0] ?? '';
    const known = paths
      .values()
      .filter(({ pattern }) => pattern.test(path))
      .toArray();
    const methods = [...new Set(known.flatMap((each) => [...each.methods]))].toSorted();
    if (methods.length === 0) throw new ApiError('not_found');
    if (request.method === 'OPTIONS' && known.some(({ isForBrowsers }) => isForBrowsers)) {
      allowPreflight(request, reply.raw, methods);
      return reply.code(204).send();
    }
    reply.header('allow', methods.join(', '));
    throw new ApiError('method_not_allowed');
  });
}

/**
 * The surface of a path without a route. `/v1/messages/unknown` is answered in the format of the
 * Messages API, because its clients read no other.
 */
export function surfaceOfPath(url: string): Pick<Surface, 'path' | 'error'> | undefined {
  const path = url.split('?', 1)[0] ?? '';
  return [...surfaces, ...encodingSurfaces].find(
    (surface) => path === surface.path || path.startsWith(`${surface.path}/`),
  );
}

/** A path with parameters such as `:id`, and perhaps a last `*`, as a regular expression. */
function patternOf(url: string): RegExp {
  const parts = url.split('/').map((part) => {
    if (part === '*') return '.+';
    return part.startsWith(':') ? '[^/]+' : part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${parts.join('/')}$`);
}
