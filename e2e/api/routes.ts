import type { TestNetwork } from '../test-network.ts';

// Reads the routes of a running network from its own OpenAPI document, so that new routes are
// tested without being listed here.

export interface Route {
  readonly method: string;
  /** Path with `{id}` as a placeholder for the id of an object. */
  readonly path: string;
  readonly access: 'public' | 'key' | 'user' | 'keyOrUser';
  /** An example of a body that fits the schema; undefined if the route accepts none. */
  readonly body: Record<string, unknown> | undefined;
  readonly isAnthropic: boolean;
}

interface Operation {
  readonly security?: readonly Record<string, unknown>[];
  readonly 'x-example'?: { readonly path?: string; readonly body?: Record<string, unknown> };
}

export async function routesOf(network: TestNetwork): Promise<Route[]> {
  const { json } = await network.ask('GET', '/openapi.json');
  return Object.entries(json.paths as Record<string, Record<string, Operation>>).flatMap(
    ([path, operations]) =>
      Object.entries(operations).map(([method, operation]) => ({
        method: method.toUpperCase(),
        path: operation['x-example']?.path ?? path.replace('{name}', 'sim'),
        access: accessOf(operation),
        body: operation['x-example']?.body,
        isAnthropic: path.startsWith('/v1/messages'),
      })),
  );
}

function accessOf({ security = [] }: Operation): Route['access'] {
  const schemes = security.flatMap(Object.keys);
  if (schemes.length === 0) return 'public';
  if (schemes.length === 2) return 'keyOrUser';
  return schemes[0] === 'apiKey' ? 'key' : 'user';
}

/** Returns the path of the route with an id in place of `{id}`. */
export const named = (route: Route, id: string): string => route.path.replace('{id}', id);
export const nameOf = ({ method, path }: Route): string => `${method} ${path}`;
