import { syncBuiltinESMExports } from 'node:module';
import net, { type Server } from 'node:net';
import { currentHost, runOn } from './host.ts';
import { failure, type SocketWorld, VirtualSocket } from './sockets.ts';

/** What a server of Node holds as long as it listens. */
interface Handle {
  close(done?: () => void): void;
  getsockname(to: { address: string; family: string; port: number }): number;
  ref(): void;
  unref(): void;
}

/** The longest delay of a timer, 25 days. */
const NEVER_MS = 2 ** 31 - 1;

/**
 * Replaces TCP in this process: every connection and every server belongs to the simulated network
 * of the present world.
 */
export function installNetwork(world: () => SocketWorld): void {
  const connect = (...parameters: unknown[]): VirtualSocket => {
    const [options, connected] = normalized(parameters);
    return new VirtualSocket(world()).open(options, connected);
  };
  class Socket extends VirtualSocket {
    constructor() {
      super(world());
    }

    connect(...parameters: unknown[]): this {
      const [options, connected] = normalized(parameters);
      return this.open(options, connected);
    }
  }
  Object.assign(net, { connect, createConnection: connect, Socket });
  Object.assign(net.Server.prototype, {
    listen(this: Server, ...parameters: unknown[]): Server {
      const [{ host, port, reusePort }, listening] = normalized(parameters);
      const { servers, time } = world();
      const owner = currentHost();
      const address = { address: host, family: 'IPv4', port: port || world().freePort() };
      const name = `${host}:${address.port}`;
      if (listening) this.once('listening', listening);
      // The first of the servers that share a port gets all connections.
      const isFirst = !servers.has(name);
      if (!isFirst && !reusePort) {
        time.plan(0, () => this.emit('error', failure('EADDRINUSE', `listen EADDRINUSE ${name}`)));
        return this;
      }
      if (isFirst) {
        servers.set(name, { server: this, host: owner });
        owner?.onKill(() => servers.delete(name));
      }
      const handle: Handle = {
        close: (done) => {
          if (isFirst) servers.delete(name);
          done?.();
        },
        getsockname: (to) => {
          Object.assign(to, address);
          return 0;
        },
        ref: () => undefined,
        unref: () => undefined,
      };
      // A server for HTTP looks for slow requests by the clock of the computer, out of the world's time.
      Object.assign(this, { _handle: handle, connectionsCheckingInterval: NEVER_MS });
      time.plan(0, () => runOn(owner, () => this.emit('listening')));
      return this;
    },
  });
  syncBuiltinESMExports();
}

/** Node's own function for the many forms of the parameters of `connect` and `listen`. */
function normalized(
  parameters: unknown[],
): [{ host: string; port: number; reusePort: boolean }, (() => void) | undefined] {
  const { _normalizeArgs: normalize } = net as unknown as {
    _normalizeArgs(
      list: unknown[],
    ): [{ host?: string; port?: number | string; reusePort?: boolean }, (() => void) | null];
  };
  const [{ host = '', port = 0, reusePort = false }, done] = normalize(parameters);
  return [{ host, port: Number(port), reusePort }, done ?? undefined];
}
