import type { FastifyInstance } from 'fastify';

export interface HealthDeps {
  /** What is missing before requests can be served; empty when ready. */
  readonly missing: () => Promise<readonly string[]>;
  /** What is broken although requests can be served, in words for an operator. */
  readonly degraded: () => Promise<readonly string[]>;
}

/** For those who run it, not for those who call it. */
const HIDDEN = { schema: { hide: true } };

export function addHealthRoutes(server: FastifyInstance, { missing, degraded }: HealthDeps): void {
  server.get('/healthz', HIDDEN, async () => ({ status: 'ok' }));
  server.get('/readyz', HIDDEN, async (_request, reply) => {
    const lacking = await missing();
    const broken = await degraded();
    return reply.code(lacking.length === 0 ? 200 : 503).send({
      ready: lacking.length === 0,
      missing: lacking,
      ...(broken.length > 0 && { degraded: broken }),
    });
  });
}
