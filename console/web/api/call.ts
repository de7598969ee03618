import { ApiFailure, readFailure } from './failure.ts';
import type { Routes } from './routes.ts';

/**
 * Requests of this page carry this header. Another site cannot send it without the permission of
 * this server, so its requests with the cookie are refused.
 */
const CONSOLE_HEADER = { 'x-dinf-console': '1' } as const;

/** Paths whose refusals say that the session has ended. */
const REFUSING = ['/v1/', '/admin/'];

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

interface Request {
  readonly method: string;
  readonly path: string;
  readonly query?: Query | undefined;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** Whether the answer replaces the one that the browser has cached. */
  readonly isReload?: boolean;
}

/** Sends a request with the cookie of the session; throws ApiFailure unless it succeeds. */
export async function send({
  method,
  path,
  query,
  body,
  headers,
  signal,
  isReload = false,
}: Request): Promise<Response> {
  const response = await fetch(`${path}${queryText(query)}`, {
    method,
    headers: {
      ...CONSOLE_HEADER,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    credentials: 'same-origin',
    ...(isReload && { cache: 'reload' }),
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...(signal && { signal }),
  }).catch((cause: unknown) => {
    if (signal?.aborted) throw cause;
    throw new ApiFailure('unreachable', '', { cause });
  });
  if (response.ok) return response;
  const failure = await readFailure(response);
  if (REFUSING.some((beginning) => path.startsWith(beginning))) noteRefusal(failure);
  throw failure;
}

interface RouteType {
  readonly path: object;
  readonly query: object;
  readonly body: unknown;
  readonly answer: unknown;
}

type Input<Route extends RouteType> = (keyof Route['path'] extends never
  ? { path?: never }
  : { path: Route['path'] }) &
  (Route['body'] extends undefined ? { body?: never } : { body: Route['body'] }) & {
    query?: Route['query'];
  };

/** Calls a route of a table, such as `GET /v1/keys`. */
export type CallOf<Table extends Readonly<Record<keyof Table, RouteType>>> = <
  Route extends keyof Table & string,
>(
  route: Route,
  ...input: Record<never, never> extends Input<Table[Route]>
    ? [Input<Table[Route]>?]
    : [Input<Table[Route]>]
) => Promise<Table[Route]['answer']>;

/** Calls a route of the API. */
export const call: CallOf<Routes> = callRoute;

/** Calls a route by its method and path. The types of `CallOf` say which ones exist. */
export async function callRoute(route: string, input: object = {}): Promise<never> {
  const [method = '', template = ''] = route.split(' ');
  const { path, query, body } = input as {
    path?: Record<string, string>;
    query?: Query;
    body?: unknown;
  };
  const response = await send({ method, path: filled(template, path), query, body });
  return (await response.json()) as never;
}

/** A page whose session the API refuses is signed out. */
export function noteRefusal({ status }: ApiFailure): void {
  if (status === 401) onSignedOut();
}

let onSignedOut: () => void = () => undefined;

/** Sets what happens when the API refuses the session, for example because it has expired. */
export function whenSignedOut(then: () => void): void {
  onSignedOut = then;
}

const filled = (template: string, values: Record<string, string> = {}): string =>
  template.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(values[name] ?? ''));

function queryText(query: Query | undefined): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {}))
    if (value !== undefined && value !== '') parameters.set(name, String(value));
  return parameters.size === 0 ? '' : `?${parameters}`;
}
