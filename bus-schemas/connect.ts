import type { NatsConnection } from '@nats-io/nats-core';
import { NatsConnectionImpl, setTransportFactory } from '@nats-io/nats-core/internal';
import type { NodeConnectionOptions } from '@nats-io/transport-node';
import { NodeTransport, nodeResolveHost } from '@nats-io/transport-node/lib/node_transport.js';

/**
 * The library writes to its socket after each promise that published something. Under load these
 * are several system calls for each request, the largest single cost of the coordinator. This
 * transport sends everything that was published in one turn of the event loop with one write
 * (docs/decisions/0005-one-write-a-turn.md).
 */
class OneWriteATurn extends NodeTransport {
  #corked = false;

  override send(frame: Uint8Array): void {
    const { socket } = this;
    if (!this.#corked && socket !== undefined) {
      this.#corked = true;
      socket.cork();
      setImmediate(() => {
        this.#corked = false;
        socket.uncork();
      });
    }
    super.send(frame);
  }
}

/** Connects to a NATS server. All parts of the system connect through this function. */
export function connectToServer(options: NodeConnectionOptions): Promise<NatsConnection> {
  setTransportFactory({ factory: () => new OneWriteATurn(), dnsResolveFn: nodeResolveHost });
  // A stack trace for each open request would cost more than the request.
  return NatsConnectionImpl.connect({ noAsyncTraces: true, ...options });
}
