import { randomBytes } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { services } from '#bus-schemas';
import { checkerOf } from '#bus-schemas/platform.ts';
import { type TSchema, Type } from '#bus-schemas/type.ts';
import { hashOf, makeSessionCookie } from '#coordinator/secrets.ts';
import { parseJson } from '#http-api/core/json.ts';
import type { ApiError } from '#http-api/errors.ts';
import { accountRefusals, refusalError, trustRefusals } from '#http-api/refusals.ts';
import { sessionClientOf } from '../console/session-client.ts';
import { checkCookieAllowed, sessionCookieHeader } from '../console/session-cookie.ts';
import type { AddressLimiter } from '../limits/address-limiter.ts';
import type { GuessLimiter } from '../limits/guess-limiter.ts';
import { type Api, asTime, strict } from './api.ts';
import { callerOf } from './authenticate.ts';
import { addRenewalRoutes } from './renewal-routes.ts';

const DEVICE_CODE_BYTES = 32;
/**
 * Letters of a code. None of them is mistaken for another one when the code is read aloud or typed.
 */
const USER_CODE_LETTERS = 'BCDFGHJKLMNPQRSTVWXZ';
const USER_CODE_LENGTH = 8;
const LINK_LIFETIME_MS = 900_000;
const POLL_INTERVAL_MS = 5_000;
const TOKEN_LIFETIME_MS = 600_000;
const GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
const MAX_BYTES = 16_384;
const SESSION_SCOPE = 'session';
/** Length of the name of the asking program that is kept and shown, in characters. */
const MAX_CLIENT = 64;
const FORM = 'application/x-www-form-urlencoded';
/** The titles name the types in generated clients. */
const DeviceCode = Type.Object(
  {
    client_id: Type.Optional(Type.String({ description: 'The program that asks.' })),
    scope: Type.Optional(
      Type.Literal(SESSION_SCOPE, {
        description:
          'Asks to sign in as the person who approves the code. Without it, a machine asks to be linked to their account.',
      }),
    ),
  },
  { title: 'DeviceCodeForm' },
);
const DeviceToken = Type.Object(
  {
    grant_type: Type.Literal(GRANT),
    device_code: Type.String({ minLength: 1, maxLength: 128 }),
    client_id: Type.Optional(Type.String()),
  },
  { title: 'DeviceTokenForm' },
);
const codeShape = checkerOf(DeviceCode);
const tokenShape = checkerOf(DeviceToken);
const ShownCode = Type.Object({
  device_code: Type.String(),
  user_code: Type.String({ description: 'The code that the person types.' }),
  verification_uri: Type.String(),
  verification_uri_complete: Type.String(),
  expires_in: Type.Integer({ description: 'Seconds.' }),
  interval: Type.Integer({ description: 'Seconds between two requests for the token.' }),
});
const ApprovedToken = Type.Object({
  access_token: Type.String({
    description:
      'The one-time token of a machine; or, for a program that signs in, the value of its header `cookie`.',
  }),
  token_type: Type.Enum(['enrolment', 'cookie']),
  expires_in: Type.Integer({ description: 'Seconds.' }),
});

const UserCode = Type.String({ minLength: 8, maxLength: 16 });
const Purpose = Type.Enum(['machine', 'sign_in']);

interface MachinesDeps {
  readonly api: Api;
  readonly server: FastifyInstance;
  /** Counts requests without a credential, by address. */
  readonly strangers: AddressLimiter;
  readonly guesses: GuessLimiter;
  readonly linkUrl: string | undefined;
  readonly now: () => number;
}

/**
 * Routes by which a machine joins: it shows a code (RFC 8628), a person approves it, and the
 * machine exchanges its one-time token for the credentials of its leaf node. A program of a person
 * signs in by such a code, too.
 */
export function addMachinesRoutes({
  api,
  server,
  strangers,
  guesses,
  linkUrl,
  now,
}: MachinesDeps): void {
  const limited = (address: string) => {
    strangers.check(address);
    strangers.count(address);
  };
  api.route({
    method: 'POST',
    url: '/v1/providers/enrol',
    group: 'Machines',
    access: 'public',
    summary: 'Exchange a one-time token for the credentials of a leaf node',
    body: Type.Object({
      token: Type.String({ minLength: 16, maxLength: 128 }),
      user_key: Type.String({ pattern: '^U[A-Z2-7]{55}$' }),
      name: Type.Optional(Type.String({ maxLength: 120 })),
    }),
    example: {
      body: { token: '0123456789abcdef', user_key: `U${'A'.repeat(55)}`, name: 'studio' },
    },
    reply: Type.Object({
      provider: Type.String(),
      user_jwt: Type.String(),
      leaf_urls: Type.Array(Type.String()),
    }),
    handle: async ({ request, body }) => {
      strangers.check(request.ip);
      const answer = await api.ask(services.trust.enrol, {
        token: body.token,
        userKey: body.user_key,
        name: body.name ?? '',
      });
      if (!answer.ok) {
        strangers.count(request.ip);
        throw refusalError(trustRefusals.enrol[answer.code]);
      }
      return { provider: answer.provider, user_jwt: answer.userJwt, leaf_urls: answer.leafUrls };
    },
  });
  addRenewalRoutes({ api, strangers, now });
  addDeviceRoutes({ api, server, limited, linkUrl, now });
  api.route({
    method: 'GET',
    url: '/v1/device/request',
    group: 'Machines',
    access: 'user',
    summary: 'What asks with a code',
    description:
      'A machine that wants to be linked to your account, or a program that wants to sign in as you. Both give their name themselves.',
    query: Type.Object({ user_code: UserCode }, strict),
    reply: Type.Object({
      purpose: Purpose,
      client: Type.String(),
      address: Type.String(),
      asked_at: Type.String(),
    }),
    example: { path: '/v1/device/request?user_code=WDJB-MJHT' },
    handle: async ({ request, query }) => {
      const { account } = callerOf(request);
      const userCode = lettersOf(query.user_code);
      const found = await guesses.guess({ address: request.ip, account }, () =>
        api.ask(services.accounts.findLink, { userCode }),
      );
      if (!found.ok) throw refusalError(accountRefusals.decideLink[found.code]);
      const { purpose, client, address, askedAt } = found;
      return { purpose, client, address, asked_at: asTime(askedAt) };
    },
  });
  api.route({
    method: 'POST',
    url: '/v1/device/approve',
    group: 'Machines',
    access: 'user',
    summary: 'Approve or deny the machine or program that shows a code',
    description:
      'A program that wants to sign in is approved only with the `purpose` `sign_in`: who approves a machine must not sign in a stranger.',
    audit: 'decide-link',
    isBodySecret: true,
    body: Type.Object(
      {
        user_code: UserCode,
        approve: Type.Optional(Type.Boolean()),
        purpose: Type.Optional(Purpose),
      },
      strict,
    ),
    reply: Type.Object({ approved: Type.Boolean() }),
    example: { body: { user_code: 'WDJB-MJHT' } },
    handle: async ({ request, body }) => {
      const { approve = true, purpose = 'machine' } = body;
      const userCode = lettersOf(body.user_code);
      const { account } = callerOf(request);
      const decided = await guesses.guess({ address: request.ip, account }, () =>
        api.ask(services.accounts.decideLink, { userCode, account, approve, purpose }),
      );
      if (decided.ok) return { approved: approve };
      throw refusalError(accountRefusals.decideLink[decided.code]);
    },
  });
}

type DeviceDeps = Pick<MachinesDeps, 'api' | 'server' | 'linkUrl' | 'now'> & {
  readonly limited: (address: string) => void;
};

/**
 * RFC 8628 demands form bodies and errors of its own format, so these two routes are not registered
 * like the others.
 */
function addDeviceRoutes({ api, server, limited, linkUrl, now }: DeviceDeps): void {
  server.register(async (form) => {
    form.addContentTypeParser(FORM, { parseAs: 'buffer' }, (_request, body, done) =>
      done(null, body),
    );
    form.post(
      '/v1/device/code',
      {
        bodyLimit: MAX_BYTES,
        config: { surface: oauth },
        schema: deviceSchema({
          summary: 'Ask for a code to show',
          body: DeviceCode,
          reply: ShownCode,
          example: { client_id: 'dinf' },
        }),
      },
      async (request, reply) => {
        limited(request.ip);
        const form = formOf(request);
        if (!codeShape.Check(form)) return oauthError(reply, 'invalid_request');
        const isSignIn = form.scope === SESSION_SCOPE;
        if (isSignIn) checkCookieAllowed(request);
        const deviceCode = randomBytes(DEVICE_CODE_BYTES).toString('base64url');
        const userCode = newUserCode();
        const link = {
          deviceHash: hashOf(deviceCode),
          userCode,
          expiresAt: now() + LINK_LIFETIME_MS,
          intervalMs: POLL_INTERVAL_MS,
          purpose: isSignIn ? ('sign_in' as const) : ('machine' as const),
          client: (form.client_id ?? '').slice(0, MAX_CLIENT),
          address: request.ip,
        };
        await api.ask(services.accounts.startLink, link);
        const shown = `${userCode.slice(0, 4)}-${userCode.slice(4)}`;
        // Never taken from the `Host` header: an attacker could otherwise send a person to a page
        // of the attacker, where the person would type the code.
        const page = linkUrl ?? `${server.listeningOrigin}/link`;
        return reply.send({
          device_code: deviceCode,
          user_code: shown,
          verification_uri: page,
          verification_uri_complete: `${page}?user_code=${shown}`,
          expires_in: LINK_LIFETIME_MS / 1_000,
          interval: POLL_INTERVAL_MS / 1_000,
        });
      },
    );
    form.post(
      '/v1/device/token',
      {
        bodyLimit: MAX_BYTES,
        config: { surface: oauth },
        schema: deviceSchema({
          summary: 'Ask whether the code was approved',
          body: DeviceToken,
          reply: ApprovedToken,
          example: { grant_type: GRANT, device_code: '…' },
        }),
      },
      async (request, reply) => {
        const form = formOf(request);
        const grant = form['grant_type'];
        if (typeof grant === 'string' && grant !== GRANT)
          return oauthError(reply, 'unsupported_grant_type');
        if (!tokenShape.Check(form)) return oauthError(reply, 'invalid_request');
        const { device_code: deviceCode } = form;
        const polled = await api.ask(services.accounts.pollLink, {
          deviceHash: hashOf(deviceCode),
        });
        if (!polled.ok) {
          if (polled.code === 'invalid_grant') limited(request.ip);
          return oauthError(reply, polled.code);
        }
        if (polled.purpose === 'sign_in')
          return reply.send(await sessionFor({ api, request, account: polled.account, now }));
        const { token } = await api.ask(services.trust.createToken, {
          account: polled.account,
          lifetimeMs: TOKEN_LIFETIME_MS,
        });
        return reply.send({
          access_token: token,
          token_type: 'enrolment',
          expires_in: TOKEN_LIFETIME_MS / 1_000,
        });
      },
    );
  });
}

/** Starts a session for a program whose code a person of this account has approved. */
async function sessionFor({
  api,
  request,
  account,
  now,
}: Pick<MachinesDeps, 'api' | 'now'> & { request: FastifyRequest; account: string }) {
  checkCookieAllowed(request);
  const cookie = makeSessionCookie();
  const asked = { sessionHash: cookie.hash, account, ...sessionClientOf(request) };
  const started = await api.ask(services.accounts.startSession, asked);
  if (!started.ok) throw refusalError(accountRefusals.startSession[started.code]);
  return {
    access_token: sessionCookieHeader(request, cookie.text),
    token_type: 'cookie' as const,
    expires_in: Math.floor((started.session.endsAt - now()) / 1_000),
  };
}

/** The format of OAuth's errors. */
const oauth = {
  error: ({ status, message }: ApiError) => ({
    error: status < 500 ? 'invalid_request' : 'temporarily_unavailable',
    error_description: message,
  }),
};

function deviceSchema(described: {
  summary: string;
  body: TSchema;
  reply: TSchema;
  example: object;
}) {
  return {
    summary: described.summary,
    tags: ['Machines'],
    description: 'RFC 8628. Takes a form, or JSON.',
    consumes: [FORM, 'application/json'],
    body: described.body,
    response: { 200: described.reply },
    'x-example': { body: described.example },
  };
}

/** The letters of a code, however a person typed them. */
const lettersOf = (userCode: string): string => userCode.toUpperCase().replace(/[^A-Z]/g, '');

function newUserCode(): string {
  const bytes = randomBytes(USER_CODE_LENGTH * 4);
  let code = '';
  // Bytes from 240 on are dropped, because 240 is the last multiple of the 20 letters: with them,
  // some letters would be more probable.
  for (const byte of bytes)
    if (byte < 240 && code.length < USER_CODE_LENGTH)
      code += USER_CODE_LETTERS[byte % USER_CODE_LETTERS.length];
  return code.length === USER_CODE_LENGTH ? code : newUserCode();
}

function formOf({ headers, body }: FastifyRequest): Record<string, unknown> {
  if (headers['content-type']?.startsWith(FORM) && Buffer.isBuffer(body))
    return Object.fromEntries(new URLSearchParams(body.toString('utf8')));
  return parseJson(body);
}

function oauthError(reply: FastifyReply, error: string): FastifyReply {
  return reply.code(400).send({ error });
}
