import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { SealedClient } from '#client';
import { ApiError } from '../errors.ts';
import { closeServer, createServer } from '../http/server.ts';
import { MemoryBudget } from '../memory-budget.ts';
import { addSealedSurfaces } from './sealed-surfaces.ts';

export interface ProxyOptions {
  readonly client: SealedClient;
  /** Of callers that have none of their own. */
  readonly apiKey: string | undefined;
  /** Of this machine; another one at each start forgets what providers have cached. */
  readonly secret: Uint8Array;
  readonly host: string;
  /** Names besides the address that callers may use for this machine. */
  readonly allowedHosts?: readonly string[];
  readonly port: number;
  readonly log: Logger;
}

export interface Proxy extends AsyncDisposable {
  readonly url: string;
}

const TIMES = { headersTimeoutMs: 10_000, requestTimeoutMs: 120_000 };
/** Memory that answers may take together which are collected whole before they are sent. */
const WHOLE_ANSWERS_BYTES = 256 * 1024 * 1024;
const PASSED_HEADERS = ['content-type', 'retry-after', 'x-request-id'] as const;

/**
 * OpenAI's and Anthropic's API on this machine: what is asked leaves it sealed for the Mac that
 * answers, and nobody else can read it.
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
  const server = await createServer({ log, trustedProxies: [], ...TIMES });
  server.addHook('onRequest', async ({ headers }) =>
    refuseForeign(headers, new Set([...LOOPBACK, host, ...allowedHosts])),
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
  addSealedSurfaces(server, {
    client,
    authorizationOf,
    secret,
    memory: new MemoryBudget(WHOLE_ANSWERS_BYTES),
  });
  server.get('/health', async () => ({ status: 'ok' }));
  // Models, balances, receipts: nothing of them is a prompt.
  server.get('/v1/*', (request, reply) => pass(client, request, reply, authorizationOf));
  return {
    url: await server.listen({ host, port }),
    [Symbol.asyncDispose]: () => closeServer(server),
  };
}

/**
 * Refuses requests that a foreign page made the browser of this machine send: without this a page
 * could spend the key of the proxy's owner.
 * `Host` stops a page whose name was pointed at this machine (DNS rebinding); `Origin` stops every
 * other page.
 */
function refuseForeign({ host = '', origin }: IncomingHttpHeaders, own: ReadonlySet<string>): void {
  const asked = hostnameOf(`http://${host}`);
  // An address cannot be pointed at this machine by a foreign name server.
  if (!own.has(asked) && isIP(asked.replace(/^\[|\]$/g, '')) === 0)
    throw new ApiError(
      'forbidden',
      `This proxy refuses the name ${asked}. "dinf proxy --allow-host ${asked}" lets it.`,
    );
  if (origin !== undefined && hostnameOf(origin) !== asked && !LOOPBACK.has(hostnameOf(origin)))
    throw new ApiError('forbidden', `This proxy refuses pages of ${origin}.`);
}

const LOOPBACK: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

const hostnameOf = (url: string): string => (URL.canParse(url) ? new URL(url).hostname : '');

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
