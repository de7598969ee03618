import { connect } from 'node:net';
import { messageOf } from '#bus-schemas/message-of.ts';
import type { CoordinatorFact, Facts } from './facts.ts';

const TIMEOUT_MS = 3_000;
/** Ports of addresses that name none: of NATS leaf nodes, and of WebSockets with TLS. */
const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'wss:': 443, 'ws:': 80 };
const LEAF_PORT = 7_422;

interface Readiness {
  readonly missing?: unknown;
  readonly degraded?: unknown;
}

const textsIn = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((text) => typeof text === 'string') : [];

/** Calls a coordinator. `now` is the clock of this computer, in milliseconds since 1970. */
export async function coordinatorFact(
  url: string | undefined,
  now: number,
): Promise<CoordinatorFact> {
  if (url === undefined) return { state: 'unknown' };
  try {
    const response = await fetch(new URL('/readyz', url), {
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const date = Date.parse(response.headers.get('date') ?? '');
    const { missing, degraded } = (await response.json().catch(() => ({}))) as Readiness;
    return {
      state: 'answered',
      isReady: response.ok,
      missing: textsIn(missing),
      degraded: textsIn(degraded),
      clockAheadMs: Number.isNaN(date) ? undefined : now - date,
    };
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    const detail = messageOf(cause);
    return {
      state: /certificate|self.signed/i.test(detail) ? 'certificate' : 'unreachable',
      detail,
    };
  }
}

/** Whether the port of a hub accepts connections. */
export async function hubFact(address: string): Promise<Facts['hubs'][number]> {
  const { hostname, port, protocol } = new URL(address);
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const socket = connect({
    host: hostname,
    port: Number(port) || (DEFAULT_PORTS[protocol] ?? LEAF_PORT),
    timeout: TIMEOUT_MS,
  });
  socket.once('connect', () => resolve(undefined));
  socket.once('timeout', () => resolve('no answer within 3 s'));
  socket.once('error', (error) => resolve(error.message));
  const fault = await promise;
  socket.destroy();
  return { address: `${hostname}:${port || (DEFAULT_PORTS[protocol] ?? LEAF_PORT)}`, fault };
}
