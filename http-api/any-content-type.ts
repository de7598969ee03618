import type { FastifyInstance } from 'fastify';

/**
 * Adds routes that read every body as JSON, whatever its `Content-Type`. Ollama's documentation calls
 * its API with a plain `curl -d`, which announces a form. A page of another site could send such a
 * request without asking, so these routes must take a key from a header and no cookie.
 */
export function withAnyContentType(
  server: FastifyInstance,
  addRoutes: (scope: FastifyInstance) => void,
): void {
  void server.register(async (scope) => {
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) =>
      done(null, body),
    );
    addRoutes(scope);
  });
}
