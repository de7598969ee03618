import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { newJobId } from '#bus-schemas';
import type { WorkerPlace } from '#coordinator/worker-place.ts';
import { ApiError } from '#http-api/errors.ts';
import { endWithin, sendError } from '#http-api/respond.ts';
import { RETRY_AFTER_MS } from '#http-api/retry-after.ts';
import { closeWithin, type limitsOfNode } from '#http-api/server.ts';

/** Digits at the end of a job id that decide to which worker it belongs. */
const DIGITS = 8;
const BASE = 36;
/** Headers that concern one connection, and not the request or its answer. */
const OF_CONNECTION = ['connection', 'expect', 'keep-alive', 'transfer-encoding'] as const;

/**
 * The other ingresses of this machine that share its ports. A client's next connection may reach
 * another worker than the one before, but a sealed job has its slot, its money and its state in one
 * worker. So the id of such a job tells its worker, and the others pass its requests on.
 */
export class SiblingWorkers {
  readonly #place: WorkerPlace | undefined;

  constructor(place: WorkerPlace | undefined) {
    this.#place = place;
  }

  /** Returns the id of a new job of this worker. */
  newJobId(): string {
    for (;;) {
      const job = newJobId();
      if (this.#place === undefined || ownerOf(job, this.#place) === this.#place.index) return job;
    }
  }

  /**
   * Passes a request about a sealed job on to the worker of the job, and returns true; false if it
   * is a job of this worker.
   */
  passOn(job: string, request: FastifyRequest, reply: FastifyReply): boolean {
    const place = this.#place;
    if (place === undefined) return false;
    const owner = ownerOf(job, place);
    if (owner === place.index) return false;
    const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    reply.hijack();
    const response = reply.raw;
    const sent = httpRequest({
      socketPath: socketOf(place, owner),
      method: request.method,
      path: request.url,
      headers: { ...withoutConnection(request.headers), 'content-length': body.length },
      // A connection that was kept could end together with its worker while a request is sent.
      agent: false,
    });
    sent.once('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, withoutConnection(answer.headers));
      response.flushHeaders();
      answer.pipe(response, { end: false });
      answer.once('end', () => endWithin(response, ''));
      // As if this worker had ended: a stream must not look complete.
      answer.once('error', () => response.destroy());
    });
    sent.once('error', () => {
      if (response.headersSent) response.destroy();
      else
        sendError(
          response,
          new ApiError('service_unavailable', 'The process that had this job has ended.', {
            retryAfterMs: RETRY_AFTER_MS.unstated,
          }),
        );
    });
    response.once('close', () => sent.destroy());
    sent.end(body);
    return true;
  }

  /** Accepts the requests that other workers pass on. */
  async listen(
    server: FastifyInstance,
    limits: ReturnType<typeof limitsOfNode>,
  ): Promise<AsyncDisposable | undefined> {
    if (this.#place === undefined) return undefined;
    const path = socketOf(this.#place, this.#place.index);
    const listener = createServer(limits, server.routing);
    // A worker that was killed leaves its socket behind.
    await rm(path, { force: true });
    listener.listen(path);
    await once(listener, 'listening');
    return {
      [Symbol.asyncDispose]: () =>
        closeWithin(listener, () => {
          listener.close();
          return once(listener, 'close');
        }),
    };
  }
}

const ownerOf = (job: string, { count }: WorkerPlace): number =>
  Number.parseInt(job.slice(-DIGITS), BASE) % count;

const socketOf = ({ folder }: WorkerPlace, index: number): string => join(folder, `${index}.sock`);

function withoutConnection(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const kept = { ...headers };
  for (const name of OF_CONNECTION) delete kept[name];
  return kept;
}
