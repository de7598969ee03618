import { readFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import { type Socket, SocketAddress } from 'node:net';
import type { Logger } from 'pino';

/**
 * Ends the connections of clients that vanished without a word: their machine lost its power or its
 * network. The kernel goes on sending to them for
 * about fifteen minutes, and meanwhile an answer is made, held and counted as load that no client
 * reads. TCP's own setting for this
 * (TCP_USER_TIMEOUT) cannot be reached from Node, so the kernel's count of retransmissions is read
 * instead. Linux only; elsewhere the kernel's
 * patience applies.
 */
const LOOK_EVERY_MS = 5_000;
/**
 * Seven retransmissions without an acknowledgement take the kernel about 25 s. A client that reads
 * slowly acknowledges, and is not touched.
 */
const RETRANSMISSIONS = 7;
const TABLES = ['/proc/net/tcp', '/proc/net/tcp6'] as const;
const ESTABLISHED = '01';
const WORD_BYTES = 4;

export interface VanishedClientsOptions {
  readonly server: Server;
  readonly log: Logger;
  readonly lookEveryMs?: number;
  readonly retransmissions?: number;
}

export function endVanishedClients({
  server,
  log,
  lookEveryMs = LOOK_EVERY_MS,
  retransmissions = RETRANSMISSIONS,
}: VanishedClientsOptions): Disposable {
  const sockets = new Set<Socket>();
  const added = (socket: Socket): void => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  };
  server.on('connection', added);
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
        'a client has acknowledged nothing for about half a minute; its connection is ended',
      );
      socket.destroy();
    }
  };
  const timer = setInterval(
    () =>
      void look().catch((error: unknown) =>
        log.warn({ err: error }, 'connections could not be looked through'),
      ),
    lookEveryMs,
  );
  timer.unref();
  return {
    [Symbol.dispose]: () => {
      clearInterval(timer);
      server.off('connection', added);
    },
  };
}

/** Empty where the kernel has no such table. */
const readTable = (path: string): Promise<string> => readFile(path, 'latin1').catch(() => '');

/** The peers of established connections whose oldest bytes were sent again this often. */
function peersWith(table: string, retransmissions: number): string[] {
  return table.split('\n').flatMap((line) => {
    const [, , remote = '', state, , , retransmitted = ''] = line.trim().split(/\s+/);
    if (state !== ESTABLISHED || !(Number.parseInt(retransmitted, 16) >= retransmissions))
      return [];
    const [address = '', port = ''] = remote.split(':');
    const peer = peerOf(addressIn(address), Number.parseInt(port, 16));
    return peer === undefined ? [] : [peer];
  });
}

/** The kernel writes an address as 32-bit words in the byte order of the machine. */
function addressIn(hexadecimal: string): string {
  const bytes = Buffer.from(hexadecimal, 'hex');
  for (let word = 0; word < bytes.length; word += WORD_BYTES)
    bytes.subarray(word, word + WORD_BYTES).reverse();
  if (bytes.length === WORD_BYTES) return bytes.join('.');
  return Array.from({ length: bytes.length / 2 }, (_, group) =>
    bytes.readUInt16BE(2 * group).toString(16),
  ).join(':');
}

/** One spelling for each peer; an IPv4 peer of an IPv6 socket is the IPv4 one. */
function peerOf(address: string | undefined, port: number | undefined): string | undefined {
  if (address === undefined || address === '' || port === undefined) return undefined;
  const family = address.includes(':') ? 'ipv6' : 'ipv4';
  const { address: spelling } = new SocketAddress({ address, family });
  return `${spelling.replace(/^::ffff:(?=\d+\.)/, '')} ${port}`;
}
