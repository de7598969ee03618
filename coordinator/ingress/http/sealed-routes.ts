import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import { JobId, MAX_PART_BYTES, MAX_REQUEST_BYTES, newJobId, PrintedEvidence, SEAL_OVERHEAD_BYTES, TRAITS, Trait, TrustLevel } from '#bus-schemas';
import { BYTES_PER_TOKEN, TOOLS_PREAMBLE_TOKENS } from '../core/introspect.ts';
import { SEAL_MS } from '../core/job.ts';
import { providerPreferences } from '../core/provider-preferences.ts';
import { ApiError } from '../errors.ts';
import { ClientSealing } from '../sealed/client-sealing.ts';
import { printOffer } from '../sealed/sealed-exchange.ts';
import type { SealedSessions } from '../sealed/sealed-sessions.ts';
import { type Api, optional, strict } from './api.ts';
import { type Auth, keyOf } from './authenticate.ts';
import { providerWishes } from './inference-schemas.ts';
import { type AdmissionDeps, admitJob, checkOpen, type JobWish } from './job-admission.ts';

export interface SealedRoutesDeps extends AdmissionDeps {
  readonly sessions: SealedSessions;
  readonly auth: Auth;
  readonly clock: () => number;
}

const ENC_BYTES = 32;

const SessionRequest = Type.Object(
  {
    model: Type.String({ minLength: 1, maxLength: 128, description: 'A model, or an alias.' }),
    request_bytes: Type.Integer({
      minimum: 1,
      maximum: MAX_REQUEST_BYTES,
      description: 'The most that the request has before it is sealed; no prompt has more tokens.',
    }),
    max_tokens: optional(Type.Integer({ minimum: 1, maximum: 10_000_000 })),
    requires: optional(Type.Array(Trait, { maxItems: TRAITS.length, description: 'What model and machine must be able to do.' })),
    provider: optional(providerWishes),
    affinity: optional(Type.String({ maxLength: 64, description: 'The same for requests that begin alike; nobody has to be able to tell why.' })),
  },
  strict,
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

/** Requests that we cannot read: a session reserves a machine and holds the money, its client seals for that machine, and opens what comes back. */
export function addSealedRoutes(api: Api, server: FastifyInstance, deps: SealedRoutesDeps): void {
  api.route({
    ...{ method: 'POST', url: '/v1/sealed/sessions', group: 'Sealed', who: 'key', summary: 'A place for a request that only its provider can read' },
    description:
      'Reserves a provider, holds what the request may cost at most, and answers with the provider’s key and what it has shown of itself. Check both (docs/security/blind-mode.md; `dinf proxy` does), seal the request for that key, and send it to `/v1/sealed/jobs/{id}` within ten seconds.',
    body: SessionRequest,
    reply: Type.Object({
      id: JobId,
      model: Type.String(),
      max_tokens: Type.Integer({ description: 'Write it into the request: more is not answered.' }),
      expires_in_ms: Type.Integer(),
      offer: Offer,
    }),
    example: { body: { model: 'sim', request_bytes: 200, max_tokens: 100 } },
    handle: async ({ request, reply, body }) => {
      const receivedAt = deps.clock();
      checkOpen(deps);
      const { headers, refusal, job } = await admitJob(wishOf(body), request, deps);
      reply.headers(headers);
      if (refusal !== undefined) throw refusal;
      const id = newJobId();
      const session = deps.sessions.open(
        { ...job, id, receivedAt, conversation: `${job.account} ${body.affinity ?? id}`, prefixes: [] },
        sealedBytes(body.request_bytes),
      );
      const gone = () => {
        session.exchange.abandoned();
        session.job.clientGone();
      };
      reply.raw.once('close', gone);
      const offer = await session.exchange.firstOffer;
      reply.raw.off('close', gone);
      return { id, model: job.model.id, max_tokens: job.maxOutputTokens, expires_in_ms: SEAL_MS, offer: printOffer(offer) };
    },
  });

  void server.register(async (scope) => {
    scope.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    scope.post<{ Params: { job: string }; Querystring: { attempt: number } }>(
      '/v1/sealed/jobs/:job',
      { onRequest: deps.auth.key, bodyLimit: sealedBytes(MAX_REQUEST_BYTES), schema: jobSchema },
      (request, reply) => {
        const session = deps.sessions.of(request.params.job, keyOf(request).key);
        if (session === undefined) throw new ApiError('not_found', 'There is no such session here, or no more. Open another one.');
        const body = request.body as Buffer;
        const sealing = body.length > session.mostBytes ? undefined : ClientSealing.from(body);
        if (sealing === undefined) throw new ApiError('invalid_request', 'This is no sealed request, or a longer one than its session is for.');
        reply.hijack();
        const response = reply.raw;
        response.setHeader('x-request-id', request.id);
        response.setHeader('x-inference-job-id', request.params.job);
        // Writing to a client that has just left is no event of its own: `close` tells of it.
        response.on('error', () => undefined);
        response.on('drain', () => session.job.clientReady());
        response.once('close', () => {
          // One that got another offer comes back.
          if (response.statusCode !== 409) session.job.clientGone();
        });
        session.exchange.order(request.query.attempt, sealing, response);
        return reply;
      },
    );
  });
}

const jobSchema = {
  ...{ summary: 'The sealed request of a session, and its sealed answer', tags: ['Sealed'], security: [{ apiKey: [] }] },
  description:
    'The body: the encapsulated key, then the sealed parts. Answered with server-sent events that hold sealed frames, or with 409 `seal_again` and another offer, as long as nothing has been answered.',
  consumes: ['application/octet-stream'],
  params: Type.Object({ job: JobId }),
  querystring: Type.Object({ attempt: Type.Integer({ minimum: 1, maximum: 64 }) }),
};

function wishOf({ model, request_bytes: bytes, max_tokens: maxOutputTokens, requires = [], provider }: Static<typeof SessionRequest>): JobWish {
  return {
    ...{ model, maxOutputTokens, requires },
    // What a prompt is made of we cannot see: it has no more tokens than bytes.
    promptEstimate: Math.max(1, Math.floor(bytes / BYTES_PER_TOKEN)),
    promptBound: bytes + (requires.includes('tools') ? TOOLS_PREAMBLE_TOKENS : 0),
    ...providerPreferences(provider),
  };
}

function sealedBytes(bytes: number): number {
  return ENC_BYTES + bytes + SEAL_OVERHEAD_BYTES * Math.ceil(bytes / (MAX_PART_BYTES - SEAL_OVERHEAD_BYTES));
}
