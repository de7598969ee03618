import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';

export interface TcpProxyTarget {
  readonly host: string;
  readonly port: number;
}

export interface TcpProxyOptions {
  /** Maximum speed of each direction of each connection; unlimited by default. */
  readonly bytesPerSecond?: number;
  /** Delay before the proxy connects to the target; clients are accepted at once. */
  readonly connectDelayMs?: number;
}

/** A TCP proxy to one address that imitates a bad network, without changing the real network. */
export interface TcpProxy extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Number of open connections. */
  readonly connections: number;
  /** Breaks every connection, and new ones until `heal`. */
  cut(): void;
  heal(): void;
  /** Passes no bytes and keeps connections open, as a network does that drops packets. */
  pause(): void;
  resume(): void;
}

const HOST = '127.0.0.1';
const PIECES_PER_SECOND = 20;

export async function startTcpProxy(
  target: TcpProxyTarget,
  options: TcpProxyOptions = {},
): Promise<TcpProxy> {
  const clients = new Map<Socket, AbortController>();
  let isCut = false;
  let gate = Promise.resolve();
  let openGate: (() => void) | undefined;

  const slowed = (signal: AbortSignal): Transform =>
    new Transform({
      transform(chunk: Buffer, _encoding, done) {
        const pass = async (): Promise<void> => {
          for (const { piece, waitMs } of pieces(chunk, options.bytesPerSecond)) {
            if (waitMs > 0) await delay(waitMs, undefined, { signal });
            await gate;
            this.push(piece);
          }
        };
        pass().then(() => done(), done);
      },
    });

  const serve = async (client: Socket, signal: AbortSignal): Promise<void> => {
    await delay(options.connectDelayMs ?? 0, undefined, { signal });
    await gate;
    signal.throwIfAborted();
    const upstream = connect({ ...target, noDelay: true, allowHalfOpen: true });
    await Promise.all([
      pipeline(client, slowed(signal), upstream, { signal }),
      pipeline(upstream, slowed(signal), client, { signal }),
    ]);
  };

  const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    // A client may disconnect before the pipeline listens for errors; its pipeline then fails at
    // once.
    client.on('error', () => undefined);
    if (isCut) return void client.resetAndDestroy();
    const broken = new AbortController();
    clients.set(client, broken);
    // However the connection ended, the client's socket is destroyed, so that the client notices.
    const end = (): void => {
      clients.delete(client);
      client.destroy();
    };
    serve(client, broken.signal).then(end, end);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, HOST, resolve);
  });

  const breakAll = (): void => {
    for (const [client, broken] of clients) {
      client.resetAndDestroy();
      broken.abort();
    }
    clients.clear();
  };
  const resume = (): void => {
    openGate?.();
    openGate = undefined;
  };
  return {
    host: HOST,
    port: (server.address() as AddressInfo).port,
    get connections() {
      return clients.size;
    },
    cut: () => {
      isCut = true;
      breakAll();
    },
    heal: () => {
      isCut = false;
    },
    pause: () => {
      if (openGate !== undefined) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      openGate = resolve;
    },
    resume,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      breakAll();
      resume();
      await closed;
    },
  };
}

function* pieces(
  chunk: Buffer,
  bytesPerSecond: number | undefined,
): Generator<{ piece: Buffer; waitMs: number }> {
  if (bytesPerSecond === undefined) return void (yield { piece: chunk, waitMs: 0 });
  const size = Math.max(1, Math.floor(bytesPerSecond / PIECES_PER_SECOND));
  for (let from = 0; from < chunk.length; from += size) {
    const piece = chunk.subarray(from, from + size);
    yield { piece, waitMs: (piece.length / bytesPerSecond) * 1_000 };
  }
}
