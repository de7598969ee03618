import type { FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';

export interface HealthDeps {
  readonly metrics: Registry;
  /** What is missing before requests can be served; empty when ready. */
  readonly missing: () => Promise<readonly string[]>;
}

/** For those who run it, not for those who call it. */
const HIDDEN = { schema: { hide: true } };

export function addHealthRoutes(server: FastifyInstance, { metrics, missing }: HealthDeps): void {
  server.get('/healthz', HIDDEN, async () => ({ status: 'ok' }));
  server.get('/readyz', HIDDEN, async (_request, reply) => {
    const lacking = await missing();
    return reply.code(lacking.length === 0 ? 200 : 503).send({ ready: lacking.length === 0, missing: lacking });
  });
  server.get('/metrics', HIDDEN, async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()));
}
