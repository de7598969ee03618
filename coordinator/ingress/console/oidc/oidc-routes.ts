import { timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { services } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import { hashOf, makeSessionCookie } from '#coordinator/secrets.ts';
import { ApiError } from '#http-api/errors.ts';
import { accountRefusals, refusalError } from '#http-api/refusals.ts';
import type { Api } from '../../http/api.ts';
import type { TokenVerifier } from '../../identity/token-verifier.ts';
import type { AddressLimiter } from '../../limits/address-limiter.ts';
import { sessionClientOf } from '../session-client.ts';
import {
  checkCookieAllowed,
  dropPendingCookie,
  pendingCookieOf,
  setPendingCookie,
  setSessionCookie,
} from '../session-cookie.ts';
import type { CodeFlow, PendingSignIn } from './code-flow.ts';

const CALLBACK = '/console/oidc/callback';
const MAX_CODE = 2_048;
/** Time that a person has to sign in at the issuer, in milliseconds. */
const PENDING_MS = 600_000;
/**
 * Paths of the console to which a person may return. The second character is a letter, because a
 * browser takes `//name` for an address of another host.
 */
const RETURN_PATH = /^\/(?!console\/|v1\/)(?:[a-z][\w/-]*)?(?:\?user_code=[A-Z]{4}-[A-Z]{4})?$/;

export interface OidcRoutesDeps {
  readonly api: Api;
  readonly server: FastifyInstance;
  /** Undefined for a network without sign-in. */
  readonly oidc: { readonly flow: CodeFlow; readonly verifier: TokenVerifier } | undefined;
  /** Counts refused sign-ins by address. */
  readonly strangers: AddressLimiter;
  readonly now: () => number;
}

/** Routes by which a person signs in to the console at the network's OpenID issuer. */
export function addOidcRoutes({ api, server, oidc, strangers, now }: OidcRoutesDeps): void {
  const configured = () => {
    if (oidc === undefined)
      throw new ApiError('not_configured', 'This network has no sign-in (DINF_OIDC_ISSUER).');
    return oidc;
  };
  api.route({
    method: 'GET',
    url: '/console/oidc',
    group: 'Console',
    isHidden: true,
    access: 'public',
    summary: 'Whether people can sign in at an issuer',
    reply: Type.Object({ is_configured: Type.Boolean() }),
    handle: async () => ({ is_configured: oidc !== undefined }),
  });
  const hidden = { schema: { hide: true } };
  server.get<{ Querystring: { return?: unknown } }>(
    '/console/oidc/start',
    hidden,
    (request, reply) =>
      orSignInPage(reply, async () => {
        const { flow } = configured();
        checkCookieAllowed(request);
        const pending = flow.begin();
        const path = returnPathOf(request.query.return);
        const url = await flow.authorizationUrl(pending, callbackOf(request));
        setPendingCookie({ request, reply }, { value: pack(pending, path), maxAgeMs: PENDING_MS });
        return reply.redirect(url);
      }),
  );
  server.get<{ Querystring: { code?: unknown; state?: unknown } }>(
    CALLBACK,
    hidden,
    (request, reply) =>
      orSignInPage(reply, async () => {
        const { flow, verifier } = configured();
        checkCookieAllowed(request);
        const kept = unpack(pendingCookieOf(request));
        dropPendingCookie({ request, reply });
        const { code, state } = request.query;
        const cookie = makeSessionCookie();
        const session = await strangers.verify(request.ip, async () => {
          // Otherwise a page of another site could sign the person in to the account of an attacker.
          if (
            kept === undefined ||
            typeof state !== 'string' ||
            !timingSafeEqual(hashOf(state), hashOf(kept.state))
          )
            throw new ApiError('signed_out', 'This sign-in was not begun in this browser.');
          if (typeof code !== 'string' || code === '' || code.length > MAX_CODE)
            throw new ApiError('signed_out', 'The issuer did not sign you in.');
          const token = await flow.idToken(code, kept.verifier, callbackOf(request));
          const { issuer, subject, email } = await verifier.verify(token, kept.nonce);
          const person = { issuer, subject, ...(email !== undefined && { email }) };
          const { account, user } = await api.ask(services.accounts.signIn, person);
          const asked = { sessionHash: cookie.hash, account, user, ...sessionClientOf(request) };
          const started = await api.ask(services.accounts.startSession, asked);
          if (!started.ok) throw refusalError(accountRefusals.startSession[started.code]);
          return started.session;
        });
        const maxAgeMs = session.endsAt - now();
        setSessionCookie({ request, reply }, { value: cookie.text, maxAgeMs });
        return reply.redirect(kept?.path ?? '/');
      }),
  );
}

/**
 * These routes are opened as pages, so the sign-in page shows their errors. It gets the code of the
 * error only, because a text in a URL could be chosen by an attacker.
 */
async function orSignInPage(
  reply: FastifyReply,
  work: () => Promise<FastifyReply>,
): Promise<FastifyReply> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ApiError) || error.code === 'internal_error') throw error;
    return reply.redirect(`/sign-in#error=${error.code}`);
  }
}

/** The issuer compares it with the addresses that it knows of this client. */
const callbackOf = ({ protocol, host }: FastifyRequest): string =>
  `${protocol}://${host}${CALLBACK}`;

const returnPathOf = (path: unknown): string =>
  typeof path === 'string' && RETURN_PATH.test(path) ? path : '/';

const pack = ({ state, nonce, verifier }: PendingSignIn, path: string): string =>
  [state, nonce, verifier, Buffer.from(path).toString('base64url')].join('.');

function unpack(cookie: string | undefined): (PendingSignIn & { path: string }) | undefined {
  const [state, nonce, verifier, path, ...more] = cookie?.split('.') ?? [];
  if (!state || !nonce || !verifier || !path || more.length > 0) return undefined;
  return { state, nonce, verifier, path: returnPathOf(Buffer.from(path, 'base64url').toString()) };
}
