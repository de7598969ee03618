import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { SealedClient } from '#client';
import { ApiError } from '../errors.ts';
import { closeServer, createServer } from '../http/server.ts';
import { addSealedSurfaces } from './sealed-surfaces.ts';

export interface ProxyOptions {
  readonly client: SealedClient;
  /** Of callers that have none of their own. */
  readonly apiKey: string | undefined;
  /** Of this machine; another one at each start forgets what providers have cached. */
  readonly secret: Uint8Array;
  readonly host: string;
  readonly port: number;
  readonly log: Logger;
}

export interface Proxy extends AsyncDisposable {
  readonly url: string;
}

const TIMES = { headersTimeoutMs: 10_000, requestTimeoutMs: 120_000 };
const PASSED_HEADERS = ['content-type', 'retry-after', 'x-request-id'] as const;

/** OpenAI's and Anthropic's API on this machine: what is asked leaves it sealed for the Mac that answers, and nobody else can read it. */
export async function startProxy({ client, apiKey, secret, host, port, log }: ProxyOptions): Promise<Proxy> {
  const server = await createServer({ log, trustedProxies: [], ...TIMES });
  const authorizationOf = ({ headers }: FastifyRequest): string => {
    const own = headers['x-api-key'];
    const authorization = headers.authorization ?? (typeof own === 'string' ? `Bearer ${own}` : undefined) ?? (apiKey && `Bearer ${apiKey}`);
    if (!authorization) throw new ApiError('missing_key');
    return authorization;
  };
  addSealedSurfaces(server, { client, authorizationOf, secret });
  server.get('/health', async () => ({ status: 'ok' }));
  // Models, balances, receipts: nothing of them is a prompt.
  server.get('/v1/*', (request, reply) => pass(client, request, reply, authorizationOf));
  return { url: await server.listen({ host, port }), [Symbol.asyncDispose]: () => closeServer(server) };
}

async function pass(
  client: SealedClient,
  request: FastifyRequest,
  reply: FastifyReply,
  authorizationOf: (request: FastifyRequest) => string,
): Promise<FastifyReply> {
  const response = await client.send({ method: 'GET', path: request.url, headers: { authorization: authorizationOf(request) } });
  for (const name of PASSED_HEADERS) {
    const value = response.headers[name];
    if (value !== undefined) void reply.header(name, value);
  }
  return reply.code(response.statusCode ?? 502).send(response);
}
