import type { NatsConnection } from '@nats-io/nats-core';
import { NatsConnectionImpl, setTransportFactory } from '@nats-io/nats-core/internal';
import type { NodeConnectionOptions } from '@nats-io/transport-node';
import { NodeTransport, nodeResolveHost } from '@nats-io/transport-node/lib/node_transport.js';

/**
 * Time for which messages are read in one turn of the event loop, in milliseconds. Node would read up
 * to 32 chunks of 64 kB, and a process with more messages than it can handle would do nothing else for
 * half a second (docs/decisions/0228-late-frames-share-tokens.md).
 */
const READ_MS = 40;
/** Behind a chunk of at least this size there may be more: TLS has no larger ones. */
const FULL_CHUNK = 16_384;

/**
 * The library writes to its socket after each promise that published something. Under load these
 * are several system calls for each request, the largest single cost of the coordinator. This
 * transport sends everything that was published in one turn of the event loop with one write
 * (docs/decisions/0005-one-write-a-turn.md), and reads for a part of each turn only.
 */
class SharedTurns extends NodeTransport {
  #corked = false;

  override connect(...parameters: Parameters<NodeTransport['connect']>): Promise<void> {
    // The declarations of the library name only a part of the server that it passes.
    pauseBySteadyClock(parameters[0] as (typeof parameters)[0] & { lastConnect: number });
    return super.connect(...parameters);
  }

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

  override setupHandlers(): void {
    super.setupHandlers();
    const { socket } = this;
    let began: number | undefined;
    socket.on('data', ({ length }: Buffer) => {
      if (length < FULL_CHUNK) return;
      if (began !== undefined) {
        if (performance.now() - began > READ_MS) socket.pause();
        return;
      }
      began = performance.now();
      setImmediate(() => {
        began = undefined;
        socket.resume();
      });
    });
  }
}

/**
 * The library stores by the clock of the computer when it last tried a server, and waits from then
 * until the next try. If the clock is set back meanwhile, it would wait until the clock shows that
 * time again, and the process would be without a bus for as long. So the time of the last try
 * follows the clock that is never set.
 */
function pauseBySteadyClock(server: { lastConnect: number }): void {
  let triedAt = performance.now();
  Object.defineProperty(server, 'lastConnect', {
    configurable: true,
    get: () => Date.now() - (performance.now() - triedAt),
    set: () => {
      triedAt = performance.now();
    },
  });
}

/** Connects to a NATS server. All parts of the system connect through this function. */
export function connectToServer(options: NodeConnectionOptions): Promise<NatsConnection> {
  setTransportFactory({ factory: () => new SharedTurns(), dnsResolveFn: nodeResolveHost });
  // A stack trace for each open request would cost more than the request.
  return NatsConnectionImpl.connect({ noAsyncTraces: true, ...options });
}
