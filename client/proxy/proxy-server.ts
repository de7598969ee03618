import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { addCountRoutes } from '#http-api/count-routes.ts';
import { ApiError } from '#http-api/errors.ts';
import { refuseForeign } from '#http-api/foreign-requests.ts';
import { MemoryBudget } from '#http-api/memory-budget.ts';
import { RETRY_AFTER_HEADER } from '#http-api/retry-after.ts';
import { closeServer, createServer } from '#http-api/server.ts';
import type { SealedClient } from '../mod.ts';
import { addSealedEncodings } from './sealed-encodings.ts';
import { addSealedSurfaces, type SealedDeps } from './sealed-surfaces.ts';

export interface ProxyOptions {
  readonly client: SealedClient;
  /** API key for callers that send none. */
  readonly apiKey: string | undefined;
  /**
   * Secret of this machine. A new secret at a start makes the prompts that providers have cached
   * unusable.
   */
  readonly secret: Uint8Array;
  readonly host: string;
  /** Host names, besides the addresses, by which callers may reach this proxy. */
  readonly allowedHosts?: readonly string[];
  readonly port: number;
  readonly log: Logger;
}

export interface Proxy extends AsyncDisposable {
  readonly url: string;
}

const TIMES = { headersTimeoutMs: 10_000, requestTimeoutMs: 120_000 };
/** Memory for all answers that are collected whole before they are sent, in bytes. */
const WHOLE_ANSWERS_BYTES = 256 * 1024 * 1024;
const PASSED_HEADERS = ['content-type', RETRY_AFTER_HEADER, 'x-request-id'] as const;

/**
 * Serves OpenAI's and Anthropic's API on the customer's machine. Requests leave it sealed for the
 * provider that answers, so no other party can read them.
 */
export async function startProxy({
  client,
  apiKey,
  secret,
  host,
  allowedHosts = [],
  port,
  log,
}: ProxyOptions): Promise<Proxy> {
  const server = createServer({ log, trustedProxies: [], ...TIMES });
  server.addHook('onRequest', async ({ headers }) =>
    refuseForeign(headers, {
      hosts: [host, ...allowedHosts],
      remedy: (asked) => `"dinf proxy --allow-host ${asked}" lets it.`,
    }),
  );
  const authorizationOf = ({ headers }: FastifyRequest): string => {
    const own = headers['x-api-key'];
    const authorization =
      headers.authorization ??
      (typeof own === 'string' ? `Bearer ${own}` : undefined) ??
      (apiKey && `Bearer ${apiKey}`);
    if (!authorization) throw new ApiError('missing_key');
    return authorization;
  };
  const memory = new MemoryBudget(WHOLE_ANSWERS_BYTES);
  const deps: SealedDeps = { client, authorizationOf, secret, memory };
  addSealedSurfaces(server, deps);
  addSealedEncodings(server, deps);
  // A count at the coordinator would show it the prompt, so it is estimated here.
  addCountRoutes(server, { count: async ({ promptEstimate }) => promptEstimate });
  server.get('/health', async () => ({ status: 'ok' }));
  // The other routes are forwarded unsealed: models, balances and receipts contain no prompt.
  for (const url of ['/v1/*', '/api/*'])
    server.get(url, (request, reply) => pass(client, request, reply, authorizationOf));
  return {
    url: await server.listen({ host, port }),
    [Symbol.asyncDispose]: () => closeServer(server),
  };
}

async function pass(
  client: SealedClient,
  request: FastifyRequest,
  reply: FastifyReply,
  authorizationOf: (request: FastifyRequest) => string,
): Promise<FastifyReply> {
  const response = await client.send({
    method: 'GET',
    path: request.url,
    headers: { authorization: authorizationOf(request) },
  });
  for (const name of PASSED_HEADERS) {
    const value = response.headers[name];
    if (value !== undefined) void reply.header(name, value);
  }
  return reply.code(response.statusCode ?? 502).send(response);
}
