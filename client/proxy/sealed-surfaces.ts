import { once } from 'node:events';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Answer } from '#http-api/answer.ts';
import { StreamAnswer, WholeAnswer } from '#http-api/answer-writers.ts';
import { type ChatIntent, introspectChat } from '#http-api/core/introspect.ts';
import { type JsonObject, parseJson } from '#http-api/core/json.ts';
import { ignoredHeader } from '#http-api/core/parameters/parameter.ts';
import { lowerRequest, type Surface } from '#http-api/core/surfaces/surface.ts';
import { surfaces } from '#http-api/core/surfaces/surfaces.ts';
import { ApiError } from '#http-api/errors.ts';
import type { MemoryBudget } from '#http-api/memory-budget.ts';
import { takeOver } from '#http-api/respond.ts';
import type { SealedClient, SealedServing } from '../mod.ts';
import { apiErrorOf } from './proxy-errors.ts';
import { askSealed } from './sealed-request.ts';
import { servingDetailsOf } from './serving-details.ts';

export interface SealedDeps {
  readonly client: SealedClient;
  readonly authorizationOf: (request: FastifyRequest) => string;
  /**
   * Secret for digests of conversations. It never leaves this machine: with it, the coordinator
   * could confirm a guessed prompt by its digest.
   */
  readonly secret: Uint8Array;
  /** Memory for answers that are collected whole. */
  readonly memory: MemoryBudget;
}

const HEARTBEAT_MS = 15_000;

/**
 * The four surfaces of the ingress, on the customer's machine: requests are lowered here, where the
 * plain text may be read.
 */
export function addSealedSurfaces(server: FastifyInstance, deps: SealedDeps): void {
  for (const surface of surfaces)
    server.post(surface.path, { config: { surface } }, (request, reply) =>
      infer(surface, request, reply, deps),
    );
}

async function infer(
  surface: Surface,
  request: FastifyRequest,
  reply: FastifyReply,
  { client, authorizationOf, secret, memory }: SealedDeps,
): Promise<FastifyReply> {
  const authorization = authorizationOf(request);
  const body = parseJson(request.body);
  const { chat, ignored } = lowerRequest(surface, body);
  const intent = introspectChat(chat);
  for (const [name, value] of Object.entries(ignoredHeader(ignored)))
    reply.raw.setHeader(name, value);
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  const route = request.headers['x-dinf-route']?.toString();
  const { signal } = gone;
  const events = await askSealed({
    client,
    intent,
    authorization,
    secret,
    route,
    signal,
  }).catch(asApiError);
  const first = await events.next().catch(asApiError);
  if (first.done || first.value.k !== 'serving') throw new ApiError('internal_error');
  const answer = answerFor(surface, { request, reply, serving: first.value, intent, body, memory });
  await writeAnswer(events, answer, reply, signal);
  return reply;
}

interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly serving: SealedServing;
  readonly intent: ChatIntent;
  readonly body: JsonObject;
  readonly memory: MemoryBudget;
}

const nowSeconds = () => Math.floor(Date.now() / 1_000);

function answerFor(
  surface: Surface,
  { request, reply, serving, intent, body, memory }: Exchange,
): Answer {
  const response = takeOver(reply, serving.job);
  const head = {
    job: serving.job,
    model: intent.model,
    includeUsage: intent.includeUsage,
    maxOutputTokens: serving.maxTokens,
    promptTokens: { estimate: intent.promptEstimate, bound: intent.promptBound },
    request: body,
    createdSeconds: nowSeconds(),
    nowSeconds,
  };
  const options = { response, surface, head, requestId: request.id };
  const answer = intent.streamed
    ? new StreamAnswer(options, HEARTBEAT_MS)
    : new WholeAnswer(options, memory);
  answer.serving(servingDetailsOf(serving));
  return answer;
}

/** Writes events to the answer while they arrive, no faster than the caller reads them. */
async function writeAnswer(
  events: ReturnType<SealedClient['run']>,
  answer: Answer,
  { raw }: FastifyReply,
  signal: AbortSignal,
): Promise<void> {
  let hasBegun = false;
  try {
    for (let next = await events.next(); ; next = await events.next()) {
      if (next.done) return answer.finish(next.value);
      const event = next.value;
      if (event.k === 'serving') continue;
      hasBegun = true;
      switch (answer.write([event])) {
        case 'more':
          continue;
        case 'wait':
          await once(raw, 'drain', { signal });
          continue;
        case 'full':
          throw new ApiError(
            'service_unavailable',
            'The memory of this proxy for answers that are not streamed is full. Set stream to true.',
          );
      }
    }
  } catch (error) {
    if (signal.aborted) return;
    const apiError = apiErrorOf(error);
    if (hasBegun) answer.cut(apiError);
    else answer.reject(apiError);
  }
}

function asApiError(error: unknown): never {
  throw apiErrorOf(error);
}
