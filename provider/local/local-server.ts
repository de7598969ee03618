import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { newJobId, type Slot } from '#bus-schemas';
import { withAnyContentType } from '#http-api/any-content-type.ts';
import { forwardedRequest, introspectChat } from '#http-api/core/introspect.ts';
import { parseJson } from '#http-api/core/json.ts';
import { ignoredHeader } from '#http-api/core/parameters/parameter.ts';
import { lowerRequest, type Surface } from '#http-api/core/surfaces/surface.ts';
import { surfaces } from '#http-api/core/surfaces/surfaces.ts';
import { addCountRoutes } from '#http-api/count-routes.ts';
import { ApiError } from '#http-api/errors.ts';
import { refuseForeign } from '#http-api/foreign-requests.ts';
import { MemoryBudget } from '#http-api/memory-budget.ts';
import { takeOver } from '#http-api/respond.ts';
import { closeServer, createServer } from '#http-api/server.ts';
import type { Engine } from '../engine/engine.ts';
import { LocalAnswers } from './local-answer.ts';

export interface LocalServerOptions {
  readonly engine: Engine;
  /** Port on 127.0.0.1; 0 for any free port. */
  readonly port: number;
  /**
   * The scope in which the owner's requests share cached pages. It is secret: a blind client that knew
   * it could probe the cache for the owner's prompts.
   */
  readonly cacheScope: string;
  readonly log: Logger;
}

export interface LocalServer extends AsyncDisposable {
  readonly url: string;
}

const HOST = '127.0.0.1';
const TIMES = { headersTimeoutMs: 10_000, requestTimeoutMs: 120_000 };
/** Memory for all answers that are collected whole before they are sent, in bytes. */
const WHOLE_ANSWERS_BYTES = 256 * 1024 * 1024;

/**
 * Serves the APIs of OpenAI, Anthropic and Ollama to programs on this machine, from the engine that
 * also serves the network. It needs no key, no money and no network. Requests of the owner join the
 * batch before waiting requests of the network.
 */
export async function startLocalServer({
  engine,
  port,
  cacheScope,
  log,
}: LocalServerOptions): Promise<LocalServer> {
  const server = createServer({ log, trustedProxies: [], ...TIMES });
  server.addHook('onRequest', async ({ headers }) =>
    refuseForeign(headers, { hosts: [], remedy: () => 'Use 127.0.0.1 or localhost.' }),
  );
  const answers = new LocalAnswers(new MemoryBudget(WHOLE_ANSWERS_BYTES));
  const infer = (surface: Surface, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const body = parseJson(request.body);
    const { chat, ignored } = lowerRequest(surface, body);
    const intent = introspectChat(chat);
    const slot = slotOf(engine.slots(), intent.model);
    const lacking = intent.requires.find((trait) => !slot.traits?.includes(trait));
    if (lacking !== undefined)
      throw new ApiError('invalid_request', `${slot.build} does not support ${lacking}.`);
    const maxOutputTokens =
      intent.maxOutputTokens ?? Math.max(1, slot.contextTokens - 2 * intent.promptEstimate);
    reply.raw.setHeader('x-provider-build', slot.build);
    for (const [name, value] of Object.entries(ignoredHeader(ignored)))
      reply.raw.setHeader(name, value);
    const nowSeconds = () => Math.floor(Date.now() / 1_000);
    const job = newJobId();
    const head = {
      job,
      model: intent.model,
      includeUsage: intent.includeUsage,
      maxOutputTokens,
      promptTokens: { estimate: intent.promptEstimate, bound: intent.promptBound },
      request: body,
      createdSeconds: nowSeconds(),
      nowSeconds,
    };
    const asked = forwardedRequest(intent, { maxOutputTokens, cacheScope });
    answers.begin({
      engine,
      request: {
        build: slot.build,
        chat: asked.chat,
        maxTokens: maxOutputTokens,
        cacheScope,
        isOwners: true,
      },
      answer: answers.answerFor(
        { response: takeOver(reply, job), surface, head, requestId: request.id },
        intent.streamed,
      ),
      response: reply.raw,
    });
    return reply;
  };
  for (const surface of surfaces) {
    const add = (scope: FastifyInstance) =>
      scope.post(surface.path, { config: { surface } }, async (request, reply) =>
        infer(surface, request, reply),
      );
    if (surface.readsAnyContentType) withAnyContentType(server, add);
    else add(server);
  }
  addCountRoutes(server, { count: async ({ promptEstimate }) => promptEstimate });
  addModelRoutes(server, engine);
  return {
    url: await server.listen({ host: HOST, port }),
    [Symbol.asyncDispose]: () => closeServer(server),
  };
}

function addModelRoutes(server: FastifyInstance, engine: Engine): void {
  server.get('/health', async () => ({ status: 'ok' }));
  server.get('/v1/models', async () => ({
    object: 'list',
    data: engine.slots().map(({ build, contextTokens }) => ({
      id: build,
      object: 'model',
      created: 0,
      owned_by: 'this machine',
      max_model_len: contextTokens,
    })),
  }));
  server.get('/api/tags', async () => ({
    models: engine.slots().map(({ build }) => ({ name: build, model: build })),
  }));
}

/** The slot of a build, which may have the name of its repository or a tag of Ollama's. */
function slotOf(slots: readonly Slot[], name: string): Slot {
  const build = name
    .split('/')
    .at(-1)
    ?.replace(/:latest$/, '');
  const slot = slots.find((each) => each.build === name || each.build === build);
  if (slot !== undefined) return slot;
  throw new ApiError(
    'model_not_found',
    `This machine serves ${slots.map((each) => each.build).join(', ')}.`,
    { param: 'model' },
  );
}
