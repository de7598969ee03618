import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ApiError } from '#http-api/errors.ts';
import { type Auth, sessionOf } from '../../http/authenticate.ts';
import type { SessionCache } from '../../identity/session-cache.ts';
import { sessionCookieOf } from '../session-cookie.ts';
import { EventStreamPage } from './event-stream-page.ts';
import type { LiveFeed } from './live-feed.ts';

/**
 * A stream ends this long after its session has ended, at the latest, even if the fact of its end
 * was lost, in milliseconds.
 */
const RECHECK_MS = 60_000;
const MAX_ID_LENGTH = 64;

interface EventRouteDeps {
  readonly auth: Auth;
  readonly consoleSessions: SessionCache;
  readonly liveFeed: LiveFeed;
}

/** The route of the events with which a page of the console stays up to date. */
export function addEventRoute(
  server: FastifyInstance,
  { auth, consoleSessions, liveFeed }: EventRouteDeps,
): void {
  server.get(
    '/console/events',
    { onRequest: auth.session, schema: { hide: true } },
    async (request, reply) => {
      const { account, session } = sessionOf(request);
      const page = new EventStreamPage(session, reply);
      const timer = setInterval(() => void recheck(request, reply, consoleSessions), RECHECK_MS);
      const gone = () => {
        clearInterval(timer);
        liveFeed.leave(account, page);
      };
      reply.raw.once('close', gone);
      await liveFeed.join(account, page, lastIdOf(request)).catch((error: unknown) => {
        clearInterval(timer);
        throw error;
      });
      // The page left while its machines were read.
      if (reply.raw.destroyed) gone();
      return reply;
    },
  );
}

function lastIdOf({ headers }: FastifyRequest): string | undefined {
  const id = headers['last-event-id'];
  return typeof id === 'string' && id !== '' ? id.slice(0, MAX_ID_LENGTH) : undefined;
}

async function recheck(
  request: FastifyRequest,
  { raw }: FastifyReply,
  sessions: SessionCache,
): Promise<void> {
  try {
    await sessions.session(sessionCookieOf(request) ?? '');
  } catch (error) {
    // While accounts is away, the stream goes on like everything that began before.
    if (error instanceof ApiError && error.status < 500) raw.end();
  }
}
