import type { FastifyReply, FastifyRequest } from 'fastify';
import { type ConsoleSession, ConsoleSessionId, services } from '#bus-schemas';
import { type Static, Type } from '#bus-schemas/type.ts';
import { hashOf, makeSessionCookie } from '#coordinator/secrets.ts';
import { ApiError } from '#http-api/errors.ts';
import { accountRefusals, refusalError } from '#http-api/refusals.ts';
import { type Api, asTime, LIST, listOf, optional, strict } from '../http/api.ts';
import { sessionOf } from '../http/authenticate.ts';
import type { SessionCache } from '../identity/session-cache.ts';
import type { AddressLimiter } from '../limits/address-limiter.ts';
import { checkConsolePage } from './same-origin.ts';
import { sessionClientOf } from './session-client.ts';
import { checkCookieAllowed, dropSessionCookie, setSessionCookie } from './session-cookie.ts';

const common = { group: 'Console', isHidden: true } as const;

const Session = Type.Object({
  account: Type.String(),
  name: Type.String(),
  email: optional(Type.String()),
  roles: Type.Array(Type.Literal('customer')),
  expires_at: Type.String(),
});

const ListedSession = Type.Object({
  id: Type.String(),
  is_current: Type.Boolean(),
  created_at: Type.String(),
  last_used_at: Type.String(),
  expires_at: Type.String(),
  user_agent: Type.String(),
  address: Type.String(),
});

interface SessionRoutesDeps {
  readonly api: Api;
  readonly consoleSessions: Pick<SessionCache, 'ended'>;
  /** Counts wrong codes by address. */
  readonly strangers: AddressLimiter;
  readonly now: () => number;
}

/** Routes by which a person signs in to the console with a link, signs out, and sees their sessions. */
export function addSessionRoutes({
  api,
  consoleSessions,
  strangers,
  now,
}: SessionRoutesDeps): void {
  /** Ends one session of an account, or all of them, and returns their number. */
  const end = async (which: { account: string; session?: string }): Promise<number> => {
    const { ended } = await api.ask(services.accounts.endSessions, which);
    consoleSessions.ended(ended);
    return ended.length;
  };
  api.route({
    ...common,
    method: 'POST',
    url: '/console/session',
    access: 'public',
    summary: 'Sign in with the code of a link',
    body: Type.Object({ code: Type.String({ minLength: 16, maxLength: 128 }) }, strict),
    reply: Session,
    handle: async ({ request, reply, body }) => {
      checkCookieAllowed(request);
      // Otherwise a page of another site could sign the person in to the account of an attacker.
      checkConsolePage(request);
      const cookie = makeSessionCookie();
      const codeHash = hashOf(body.code);
      const redeemed = await strangers.verify(request.ip, async () => {
        const sent = { codeHash, sessionHash: cookie.hash, ...sessionClientOf(request) };
        const answer = await api.ask(services.accounts.redeemSignInCode, sent);
        if (!answer.ok) throw refusalError(accountRefusals.redeemSignInCode[answer.code]);
        return answer;
      });
      return signedIn({ request, reply }, { cookie: cookie.text, now, ...redeemed });
    },
  });
  api.route({
    ...common,
    method: 'GET',
    url: '/console/session',
    access: 'session',
    summary: 'Who is signed in',
    reply: Session,
    handle: async ({ request }) => describe(sessionOf(request)),
  });
  api.route({
    ...common,
    method: 'DELETE',
    url: '/console/session',
    access: 'session',
    summary: 'Sign out',
    reply: Type.Object({ ended: Type.Integer() }),
    handle: async ({ request, reply }) => {
      const { account, session } = sessionOf(request);
      const ended = await end({ account, session });
      dropSessionCookie({ request, reply });
      return { ended };
    },
  });
  api.route({
    ...common,
    method: 'GET',
    url: '/console/sessions',
    access: 'session',
    summary: 'The sessions of your account',
    reply: listOf(ListedSession),
    handle: async ({ request }) => {
      const { account, session: current } = sessionOf(request);
      const { sessions } = await api.ask(services.accounts.listSessions, { account });
      const data = sessions.map(({ session, createdAt, usedAt, expiresAt, ...client }) => ({
        id: session,
        is_current: session === current,
        created_at: asTime(createdAt),
        last_used_at: asTime(usedAt),
        expires_at: asTime(expiresAt),
        user_agent: client.userAgent,
        address: client.address,
      }));
      return { object: LIST, data };
    },
  });
  api.route({
    ...common,
    method: 'DELETE',
    url: '/console/sessions',
    access: 'session',
    summary: 'Sign out everywhere',
    audit: 'sign-out-everywhere',
    reply: Type.Object({ ended: Type.Integer() }),
    handle: async ({ request, reply }) => {
      const { account } = sessionOf(request);
      const ended = await end({ account });
      dropSessionCookie({ request, reply });
      return { ended };
    },
  });
  api.route({
    ...common,
    method: 'DELETE',
    url: '/console/sessions/:id',
    access: 'session',
    summary: 'End one session of your account',
    audit: 'end-session',
    params: Type.Object({ id: ConsoleSessionId }),
    reply: Type.Object({ ended: Type.Integer() }),
    handle: async ({ request, params }) => {
      const { account } = sessionOf(request);
      const ended = await end({ account, session: params.id });
      if (ended === 0)
        throw new ApiError('not_found', 'You have no such session, or it has ended.');
      return { ended };
    },
  });
}

function signedIn(
  call: { request: FastifyRequest; reply: FastifyReply },
  { session, cookie, now }: { session: ConsoleSession; cookie: string; now: () => number },
): Static<typeof Session> {
  setSessionCookie(call, { value: cookie, maxAgeMs: session.endsAt - now() });
  return describe(session);
}

/**
 * A person of this listener is a customer, who may also own machines. Operators have another
 * listener and keys of their own, so no session has their rights.
 */
function describe({ account, name, email, expiresAt }: ConsoleSession): Static<typeof Session> {
  return {
    account,
    name,
    ...(email !== undefined && { email }),
    roles: ['customer'],
    expires_at: asTime(expiresAt),
  };
}
