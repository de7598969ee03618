import type { FastifyInstance } from 'fastify';

export interface HealthDeps {
  /**
   * Dependencies that are missing before requests can be served; empty when the ingress is ready.
   */
  readonly missing: () => Promise<readonly string[]>;
  /** Faults that do not stop requests, as texts for an operator. */
  readonly degraded: () => Promise<readonly string[]>;
}

/** Hides the routes from the API documentation: they are for operators. */
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
