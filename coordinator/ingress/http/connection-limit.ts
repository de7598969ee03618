import type { Server } from 'node:net';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { counter } from '#observability';

/**
 * File descriptors that the process needs for everything but clients: hub, database, files, pipes
 * of child processes, listeners.
 */
const OTHER_DESCRIPTORS = 96;
const FEWEST_CONNECTIONS = 8;
/**
 * If there are descriptors for fewer clients than this, a warning at the start tells the operator
 * what to raise.
 */
const USUAL_CONNECTIONS = 1_000;
const SAY_EVERY_MS = 10_000;

/**
 * Number of connections that clients may have at once, so that the process never runs out of
 * descriptors; undefined for any number.
 */
export function connectionLimit(openFiles: number | undefined): number | undefined {
  return openFiles === undefined
    ? undefined
    : Math.max(FEWEST_CONNECTIONS, openFiles - OTHER_DESCRIPTORS);
}

/**
 * Closes a connection above the limit at once, and logs it. Without free descriptors, the system
 * would keep the connection in a queue where neither its client nor the operator could see the
 * reason.
 */
export function limitConnections(
  servers: readonly Server[],
  { log, metrics }: { log: Pick<Logger, 'warn'>; metrics: Registry },
): void {
  const openFiles = openFileLimit();
  const limit = connectionLimit(openFiles);
  if (limit === undefined) return;
  shareLimit(servers, limit);
  if (limit < USUAL_CONNECTIONS)
    log.warn(
      { openFiles, connections: limit },
      `only ${openFiles} open files are allowed (ulimit -n): at most ${limit} clients can be connected at once`,
    );
  const refused = counter(metrics, 'dinf_http_connections_refused_total');
  let saidAt = Number.NEGATIVE_INFINITY;
  let unsaid = 0;
  const dropped = () => {
    refused.inc();
    unsaid += 1;
    if (performance.now() - saidAt < SAY_EVERY_MS) return;
    log.warn(
      { refused: unsaid, connections: limit },
      `${limit} clients are connected, the most that ulimit -n allows: others were refused`,
    );
    saidAt = performance.now();
    unsaid = 0;
  };
  for (const server of servers) server.on('drop', dropped);
}

/** Node limits the connections of one server: each may have what the others leave. */
function shareLimit(servers: readonly Server[], limit: number): void {
  for (const server of servers) {
    server.maxConnections = limit;
    const others = servers.filter((other) => other !== server);
    server.on('connection', (socket) => {
      for (const other of others) other.maxConnections -= 1;
      socket.once('close', () => {
        for (const other of others) other.maxConnections += 1;
      });
    });
  }
}

/**
 * The soft limit of open files, which Node has already raised to the hard limit; undefined if there
 * is none, or if it cannot be read (Windows).
 */
function openFileLimit(): number | undefined {
  const report = process.report as typeof process.report & { excludeNetwork?: boolean };
  // Without this, the report resolves the host name of every peer.
  report.excludeNetwork = true;
  const { userLimits } = report.getReport() as unknown as {
    userLimits?: { open_files?: { soft: number | 'unlimited' } };
  };
  const soft = userLimits?.open_files?.soft;
  return typeof soft === 'number' ? soft : undefined;
}
