import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import {
  BYTES_PER_TOKEN,
  encodingOf,
  fromHex,
  Hex,
  JobId,
  MAX_REQUEST_BYTES,
  PrintedEvidence,
  ProviderId,
  TRAITS,
  Trait,
  TrustLevel,
  X25519_KEY_BYTES,
} from '#bus-schemas';
import { checkerOf } from '#bus-schemas/platform.ts';
import { type Static, Type } from '#bus-schemas/type.ts';
import { MAX_TASK_TOKENS } from '#http-api/core/encodings/encoding-intent.ts';
import { TOOLS_PREAMBLE_TOKENS } from '#http-api/core/introspect.ts';
import { invalid, parseJson } from '#http-api/core/json.ts';
import { providerPreferences } from '#http-api/core/provider-preferences.ts';
import { providerWishes } from '#http-api/core/provider-schema.ts';
import { ApiError } from '#http-api/errors.ts';
import { takeOver } from '#http-api/respond.ts';
import { SEAL_MS } from '../core/job-attempts.ts';
import type { JobSpec } from '../job-spec.ts';
import { ClientSealing, sealedBytes } from '../sealed/client-sealing.ts';
import { printOffer } from '../sealed/sealed-exchange.ts';
import type { SealedSessions } from '../sealed/sealed-sessions.ts';
import type { SiblingWorkers } from '../workers/sibling-workers.ts';
import { type Api, optional, strict } from './api.ts';
import { type Auth, keyOf } from './authenticate.ts';
import {
  type AdmissionDeps,
  admitJob,
  type JobWish,
  jobCallerOf,
  mayBegin,
} from './job-admission.ts';

export interface SealedRoutesDeps extends AdmissionDeps {
  readonly sessions: SealedSessions;
  readonly workers: SiblingWorkers;
  readonly auth: Auth;
  readonly clock: () => number;
}

/** Size of the length prefix of a wish, in bytes. */
const LENGTH_BYTES = 4;
const MAX_WISH_BYTES = 16 * 1024;

const wishFields = {
  model: Type.String({ minLength: 1, maxLength: 128, description: 'A model or an alias.' }),
  request_bytes: Type.Integer({
    minimum: 1,
    maximum: MAX_REQUEST_BYTES,
    description:
      'Largest size of the request before it is sealed, in bytes; a prompt has at most as many tokens.',
  }),
  max_tokens: optional(
    Type.Integer({
      minimum: 1,
      maximum: 10_000_000,
      description: 'Most tokens of the answer; for embeddings and rerank, the number of results.',
    }),
  ),
  prompt_tokens: optional(
    Type.Integer({
      minimum: 1,
      maximum: MAX_TASK_TOKENS,
      description:
        'Most tokens that the model reads, if they can be more than `request_bytes`: a rerank reads its query once for each document.',
    }),
  ),
  requires: optional(
    Type.Array(Trait, {
      maxItems: TRAITS.length,
      description: 'Traits that model and machine must have.',
    }),
  ),
  provider: optional(providerWishes),
  affinity: optional(
    Type.String({
      maxLength: 64,
      description:
        'The same text for requests with the same beginning. It should not reveal the beginning.',
    }),
  ),
};
const SessionRequest = Type.Object(wishFields, strict);
type SessionRequest = Static<typeof SessionRequest>;

/**
 * A wish that arrives together with its order, which the client has sealed for a machine that
 * served it before.
 */
const guessShape = checkerOf(
  Type.Object(
    {
      ...wishFields,
      id: JobId,
      sealed_for: Type.Object({ provider: ProviderId, sealing_key: Hex(X25519_KEY_BYTES) }),
    },
    strict,
  ),
);

const Offer = Type.Object({
  attempt: Type.Integer(),
  provider: Type.String(),
  build: Type.String(),
  suite: Type.String(),
  sealing_key: Type.String({ description: 'X25519, in hexadecimal.' }),
  level: TrustLevel,
  evidence: PrintedEvidence,
});

/**
 * Routes of blind mode, whose requests the ingress cannot read. A session reserves a machine and
 * holds the money; the client seals its request for that machine, and opens the answer.
 */
export function addSealedRoutes(api: Api, server: FastifyInstance, deps: SealedRoutesDeps): void {
  api.route({
    method: 'POST',
    url: '/v1/sealed/sessions',
    group: 'Sealed',
    access: 'key',
    summary: 'Open a session for a request that only its provider can read',
    description:
      'Reserves a provider, holds the highest possible cost of the request, and returns the provider’s key and its evidence. Verify both (docs/security/blind-mode.md; `dinf proxy` does), seal the request for that key, and send it to `/v1/sealed/jobs/{job}` within ten seconds.',
    body: SessionRequest,
    reply: Type.Object({
      id: JobId,
      model: Type.String(),
      max_tokens: Type.Integer({
        description: 'Write this limit into the request: more tokens are not delivered.',
      }),
      expires_in_ms: Type.Integer(),
      offer: Offer,
    }),
    example: { body: { model: 'sim', request_bytes: 200, max_tokens: 100 } },
    handle: async ({ request, reply, body }) => {
      const id = deps.workers.newJobId();
      const { spec, headers } = await admitted(id, body, request, deps);
      reply.headers(headers);
      const turn = await deps.sessions.turn(spec.key);
      if (request.socket.destroyed) {
        // The client left while it waited for its turn.
        turn.ended();
        throw new ApiError('gone');
      }
      const session = deps.sessions.open(spec, sealedBytes(body.request_bytes), { turn });
      const gone = () => {
        session.job.clientGone();
        session.exchange.abandoned();
      };
      reply.raw.once('close', gone);
      const offer = await session.exchange.firstOffer;
      reply.raw.off('close', gone);
      return {
        id,
        model: spec.model.id,
        max_tokens: spec.maxOutputTokens,
        expires_in_ms: SEAL_MS,
        offer: printOffer(offer),
      };
    },
  });

  api.route({
    method: 'DELETE',
    url: '/v1/sealed/sessions/:job',
    group: 'Sealed',
    access: 'key',
    summary: 'Reject the offer of a session',
    description:
      'Releases the provider and the money at once. The session counts towards the open sessions of the key until it would have expired.',
    params: Type.Object({ job: JobId }),
    reply: Type.Object({ id: JobId, deleted: Type.Boolean() }),
    handle: async ({ request, reply, params: { job } }) => {
      if (deps.workers.passOn(job, request, reply)) return reply;
      switch (deps.sessions.cancel(job, keyOf(request).key)) {
        case 'cancelled':
          return { id: job, deleted: true };
        case 'running':
          throw new ApiError(
            'request_running',
            'This job is being answered. Close that request to cancel it.',
          );
        case 'unknown':
          throw new ApiError('not_found', 'There is no such session, or it has ended.');
      }
    },
  });

  void server.register(async (scope) => {
    scope.addContentTypeParser(
      'application/octet-stream',
      { parseAs: 'buffer' },
      (_request, body, done) => done(null, body),
    );
    const options = {
      onRequest: deps.auth.key,
      bodyLimit: LENGTH_BYTES + MAX_WISH_BYTES + sealedBytes(MAX_REQUEST_BYTES),
    };
    scope.post<{ Params: { job: string }; Querystring: { attempt: number } }>(
      '/v1/sealed/jobs/:job',
      { ...options, schema: orderSchema },
      (request, reply) => {
        const { job } = request.params;
        if (deps.workers.passOn(job, request, reply)) return reply;
        const session = deps.sessions.of(job, keyOf(request).key);
        if (session === undefined)
          throw new ApiError(
            'not_found',
            'There is no such session, or it has ended. Open another one.',
          );
        const sealing = sealingIn(bytesOf(request), session.mostBytes);
        answerWith(session, { job, request, reply, deps });
        session.exchange.order(request.query.attempt, sealing, reply.raw);
        return reply;
      },
    );
    scope.post('/v1/sealed/jobs', { ...options, schema: guessSchema }, (request, reply) =>
      orderByGuess(request, reply, deps),
    );
  });
}

async function orderByGuess(
  request: FastifyRequest,
  reply: FastifyReply,
  deps: SealedRoutesDeps,
): Promise<FastifyReply> {
  const body = bytesOf(request);
  const length = body.length < LENGTH_BYTES ? MAX_WISH_BYTES + 1 : body.readUInt32BE(0);
  const wish =
    length > MAX_WISH_BYTES
      ? undefined
      : parseJson(body.subarray(LENGTH_BYTES, LENGTH_BYTES + length));
  if (!guessShape.Check(wish))
    throw new ApiError(
      'invalid_request',
      'The body must be the length of the JSON in four bytes, then the JSON, then the sealed request.',
    );
  const { id, sealed_for: sealedFor, ...asked } = wish;
  if (deps.workers.passOn(id, request, reply)) return reply;
  const mostBytes = sealedBytes(asked.request_bytes);
  const sealing = sealingIn(body.subarray(LENGTH_BYTES + length), mostBytes);
  if (!deps.sessions.redeem(id, keyOf(request).key))
    throw new ApiError(
      'gone',
      'This job id was not assigned by this server, or was used already. Open a session.',
    );
  const { spec, headers } = await admitted(id, asked, request, deps);
  for (const [name, value] of Object.entries(headers)) reply.raw.setHeader(name, value);
  const { provider, sealing_key: sealingKey } = sealedFor;
  const guess = { provider, sealing, response: reply.raw, sealingKey: fromHex(sealingKey) };
  const session = deps.sessions.open(
    { ...spec, prefers: { ...spec.prefers, sealedFor: provider } },
    mostBytes,
    { guess },
  );
  answerWith(session, { job: id, request, reply, deps });
  return reply;
}

/**
 * Connects the exchange to the HTTP response: from now on it writes to the client, and ends the job
 * when the client leaves.
 */
function answerWith(
  { job, exchange }: ReturnType<SealedSessions['open']>,
  {
    job: id,
    request,
    reply,
    deps,
  }: { job: string; request: FastifyRequest; reply: FastifyReply; deps: SealedRoutesDeps },
): void {
  const response = takeOver(reply, id);
  response.setHeader('x-dinf-next-job', deps.sessions.issue(keyOf(request).key));
  response.on('drain', () => job.clientReady());
  response.once('close', () => {
    // After a 409 the client has another offer and will order again, so the job goes on.
    if (response.statusCode === 409) return;
    job.clientGone();
    exchange.abandoned();
  });
}

async function admitted(
  id: string,
  asked: SessionRequest,
  request: FastifyRequest,
  deps: SealedRoutesDeps,
): Promise<{
  spec: Omit<JobSpec, 'seal' | 'clientSeals' | 'streamed'>;
  headers: Record<string, string>;
}> {
  const receivedAt = deps.clock();
  await mayBegin(deps);
  const { headers, refusal, job } = await admitJob(wishOf(asked), jobCallerOf(request), deps);
  if (refusal !== undefined) throw refusal;
  const conversation = `${job.account} ${asked.affinity ?? id}`;
  return {
    headers: { ...headers },
    spec: { ...job, id, receivedAt, conversation, prefixes: [], recount: undefined },
  };
}

function wishOf({
  model,
  request_bytes: bytes,
  max_tokens: maxOutputTokens,
  prompt_tokens: promptTokens,
  requires = [],
  provider,
}: SessionRequest): JobWish {
  if (encodingOf(requires) !== undefined && maxOutputTokens === undefined)
    throw invalid('max_tokens', 'For embeddings and rerank, max_tokens is the number of results.');
  const most = promptTokens ?? bytes;
  const promptEstimate = Math.max(1, Math.ceil(most / BYTES_PER_TOKEN));
  return {
    model,
    maxOutputTokens,
    requires,
    amounts: { inputTokens: promptEstimate },
    promptEstimate,
    // The parts of the prompt cannot be read here. It has at most as many tokens as bytes.
    promptBound: most + (requires.includes('tools') ? TOOLS_PREAMBLE_TOKENS : 0),
    ...providerPreferences(provider),
  };
}

/**
 * The body of the request; empty if there is none. A request without a body has no content type, so
 * no parser has run.
 */
function bytesOf({ body }: FastifyRequest): Buffer {
  return Buffer.isBuffer(body) ? body : Buffer.alloc(0);
}

function sealingIn(body: Buffer, mostBytes: number): ClientSealing {
  const sealing = body.length > mostBytes ? undefined : ClientSealing.from(body);
  if (sealing === undefined)
    throw new ApiError(
      'invalid_request',
      'The body is not a sealed request, or is longer than was announced.',
    );
  return sealing;
}

const ANSWER =
  'Returns server-sent events with sealed frames, or, before the first frame, 409 `seal_again` with another offer. `X-Dinf-Next-Job` is the id of a job that may be ordered without a session.';
const sealedSchema = {
  tags: ['Sealed'],
  security: [{ apiKey: [] }],
  consumes: ['application/octet-stream'],
  body: Type.Unsafe<Buffer>({ type: 'string', format: 'binary' }),
};
/** The documented call reads the body from a file, because the body is binary. */
const sealedExample = {
  headers: { 'Content-Type': 'application/octet-stream' },
  file: 'sealed-request.bin',
};
const orderSchema = {
  ...sealedSchema,
  summary: 'Send the sealed request of a session and receive its sealed answer',
  description: `The body has the encapsulated key, then the sealed parts. ${ANSWER}`,
  'x-example': { ...sealedExample, query: 'attempt=1' },
  params: Type.Object({ job: JobId }),
  querystring: Type.Object({ attempt: Type.Integer({ minimum: 1, maximum: 64 }) }),
};
const guessSchema = {
  ...sealedSchema,
  summary: 'Send a sealed request without a session, for a machine that answered before',
  description: `The body has four bytes with the length of the JSON, then the JSON (the fields of a session, \`id\` from \`X-Dinf-Next-Job\`, and \`sealed_for\` with \`provider\` and \`sealing_key\`), then the parts as for a session. ${ANSWER}`,
  'x-example': sealedExample,
};
