import type { NatsConnection } from '@nats-io/nats-core';
import { NatsConnectionImpl, setTransportFactory } from '@nats-io/nats-core/internal';
import type { NodeConnectionOptions } from '@nats-io/transport-node';
import { NodeTransport, nodeResolveHost } from '@nats-io/transport-node/lib/node_transport.js';

/**
 * The library writes to its socket after every promise that published; under load that is several
 * system calls for each
 * request, and the largest single cost of ours. Everything published in one turn of the event loop
 * leaves in one write
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

/** Every connection of ours to a NATS server. */
export function connectToServer(options: NodeConnectionOptions): Promise<NatsConnection> {
  setTransportFactory({ factory: () => new OneWriteATurn(), dnsResolveFn: nodeResolveHost });
  // A stack trace for each request in flight costs more than the request.
  return NatsConnectionImpl.connect({ noAsyncTraces: true, ...options });
}
