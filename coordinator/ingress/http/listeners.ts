import { once } from 'node:events';
import type { Server as HttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { CAN_SHARE_PORTS } from '#coordinator/worker-place.ts';
import { closeWithin } from '#http-api/server.ts';

/**
 * Listeners for each port. Node takes one connection of a listener in each turn of its event loop,
 * and a turn takes 20 ms and more while hundreds of answers are streamed. With one listener, clients
 * that open a connection for each request would wait for seconds.
 */
const LISTENERS = CAN_SHARE_PORTS ? 16 : 1;

/** Throws if another process listens there: the kernel would give it some of the connections. */
export async function expectFree({ host, port }: { host: string; port: number }): Promise<void> {
  if (!CAN_SHARE_PORTS || port === 0) return;
  const alone = createServer().listen({ host, port });
  await once(alone, 'listening');
  alone.close();
  await once(alone, 'close');
}

/** Opens the other listeners of the port of the first one. */
export async function listenBeside<S extends Server>(first: S, create: () => S): Promise<S[]> {
  const { address: host, port } = first.address() as AddressInfo;
  const others = Array.from({ length: LISTENERS - 1 }, create);
  await Promise.all(
    others.map(async (server) => {
      server.listen({ host, port, reusePort: true });
      await once(server, 'listening');
    }),
  );
  return others;
}

/** WebSockets, and requests that cannot be parsed, are handled by the first listener of the routes. */
export function passOnTo<S extends Server>({ server }: FastifyInstance, listener: S): S {
  for (const event of ['upgrade', 'clientError'])
    listener.on(event, (...details) => server.emit(event, ...details));
  return listener;
}

/** Takes no more connections, and waits for the open ones. */
export const closeListener = (server: HttpServer): Promise<void> =>
  closeWithin(server, () => {
    server.close();
    server.closeIdleConnections();
    return once(server, 'close');
  });
