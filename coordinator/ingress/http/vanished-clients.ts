import { readFile } from 'node:fs/promises';
import { type Server, type Socket, SocketAddress } from 'node:net';
import type { Logger } from 'pino';

/**
 * Closes the connections of clients that vanished without closing them, because their machine lost
 * its power or network. The kernel goes on sending to them for about fifteen minutes. Until then an
 * answer that no client reads would be generated, stored and counted as load. Node cannot set TCP's
 * own limit for this (TCP_USER_TIMEOUT), so the kernel's count of retransmissions is read instead.
 * On systems other than Linux, the kernel's fifteen minutes apply.
 */
const LOOK_EVERY_MS = 5_000;
/**
 * Retransmissions or window probes without an acknowledgement after which a client counts as gone.
 * Seven take the kernel about 25 s. It sends probes while the client's window is closed, because
 * the client had not read what it had received. A client that reads slowly still acknowledges both,
 * so it keeps its connection.
 */
const RETRANSMISSIONS = 7;
const TABLES = ['/proc/net/tcp', '/proc/net/tcp6'] as const;
const ESTABLISHED = '01';
const WORD_BYTES = 4;

export interface VanishedClientsOptions {
  readonly servers: readonly Server[];
  readonly log: Logger;
  readonly lookEveryMs?: number;
  readonly retransmissions?: number;
}

export function endVanishedClients({
  servers,
  log,
  lookEveryMs = LOOK_EVERY_MS,
  retransmissions = RETRANSMISSIONS,
}: VanishedClientsOptions): Disposable {
  const sockets = new Set<Socket>();
  const added = (socket: Socket): void => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  };
  for (const server of servers) server.on('connection', added);
  const look = async (): Promise<void> => {
    if (sockets.size === 0) return;
    const vanished = new Set(
      (await Promise.all(TABLES.map(readTable))).flatMap((table) =>
        peersWith(table, retransmissions),
      ),
    );
    if (vanished.size === 0) return;
    for (const socket of sockets) {
      const peer = peerOf(socket.remoteAddress, socket.remotePort);
      if (peer === undefined || !vanished.has(peer)) continue;
      log.info(
        { peer },
        'a client has acknowledged nothing for about half a minute; its connection is closed',
      );
      socket.destroy();
    }
  };
  const timer = setInterval(
    () =>
      void look().catch((error: unknown) =>
        log.warn({ err: error }, 'the table of connections could not be read'),
      ),
    lookEveryMs,
  );
  timer.unref();
  return {
    [Symbol.dispose]: () => {
      clearInterval(timer);
      for (const server of servers) server.off('connection', added);
    },
  };
}

/** The kernel's table of connections; empty if the system has none. */
const readTable = (path: string): Promise<string> => readFile(path, 'latin1').catch(() => '');

/** The peers of established connections that have not answered at least this many times. */
function peersWith(table: string, unanswered: number): string[] {
  return table.split('\n').flatMap((line) => {
    const [, , remote = '', state, , , retransmitted = '', , probes = ''] = line
      .trim()
      .split(/\s+/);
    const times = Math.max(Number.parseInt(retransmitted, 16), Number(probes));
    if (state !== ESTABLISHED || !(times >= unanswered)) return [];
    const [address = '', port = ''] = remote.split(':');
    const peer = peerOf(addressIn(address), Number.parseInt(port, 16));
    return peer === undefined ? [] : [peer];
  });
}

/** Parses an address of the table, which has 32-bit words in the byte order of the machine. */
function addressIn(hexadecimal: string): string {
  const bytes = Buffer.from(hexadecimal, 'hex');
  for (let word = 0; word < bytes.length; word += WORD_BYTES)
    bytes.subarray(word, word + WORD_BYTES).reverse();
  if (bytes.length === WORD_BYTES) return bytes.join('.');
  return Array.from({ length: bytes.length / 2 }, (_, group) =>
    bytes.readUInt16BE(2 * group).toString(16),
  ).join(':');
}

/** One spelling for each peer: an IPv4 peer of an IPv6 socket is written as IPv4. */
function peerOf(address: string | undefined, port: number | undefined): string | undefined {
  if (address === undefined || address === '' || port === undefined) return undefined;
  const family = address.includes(':') ? 'ipv6' : 'ipv4';
  const { address: spelling } = new SocketAddress({ address, family });
  return `${spelling.replace(/^::ffff:(?=\d+\.)/, '')} ${port}`;
}
