import type { FastifyRequest } from 'fastify';
import type { BodyThreads } from '../bodies/body-threads.ts';
import { LARGE_BODY_BYTES, LargeBody } from '../bodies/request-body.ts';
import { keyOf } from './authenticate.ts';

/** The body of a request in a thread, if it is large; undefined for a small one. */
export async function largeBodyOf(
  request: FastifyRequest,
  threads: BodyThreads,
): Promise<LargeBody | undefined> {
  const { body, socket } = request;
  if (!Buffer.isBuffer(body) || body.length < LARGE_BODY_BYTES) return undefined;
  const { account } = keyOf(request);
  return await LargeBody.open(body, { threads, account, isWanted: () => !socket.destroyed });
}
