import type { Server } from 'node:net';
import { Duplex } from 'node:stream';
import type { Cables } from './cables.ts';
import { currentHost, type Host, runOn } from './host.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What the buffers of two operating systems hold before a writer has to wait, in bytes. */
const WINDOW_BYTES = 256 * 1024;

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** What every socket of one world uses. */
export interface SocketWorld {
  readonly time: VirtualTime;
  readonly cables: Cables;
  /** The servers that listen, by `address:port`. */
  readonly servers: Map<string, { readonly server: Server; readonly host: Host | undefined }>;
  /** A port that no server has had yet. */
  freePort(): number;
}

/** What leaves a socket at one moment: bytes, and the end of the connection after them. */
interface Flight {
  readonly leftAt: number;
  readonly parts: Buffer[];
  end: 'closed' | 'broken' | undefined;
}

/**
 * One end of a TCP connection of the world. Bytes arrive in order, after the delay of the link; a
 * link that is cut holds them back, as repeated packets would, until it is whole again.
 */
export class VirtualSocket extends Duplex {
  readonly #world: SocketWorld;
  readonly #host = currentHost();
  #peer: VirtualSocket | undefined;
  /** No byte may overtake an earlier one. */
  #lastArrival = 0;
  /** What left last, until the moment at which it left has passed. */
  #leaving: Flight | undefined;
  /** What waits until the link is whole again, the oldest first. */
  #held: Flight[] = [];
  #underWay = 0;
  #waiting: (() => void)[] = [];
  #unread: (Buffer | null)[] = [];
  #wantsMore = false;
  connecting = false;
  remoteAddress: string | undefined;
  remotePort: number | undefined;
  readonly remoteFamily = 'IPv4';
  localAddress: string | undefined;
  localPort: number | undefined;
  readonly encrypted = false;
  bytesWritten = 0;
  bytesRead = 0;

  constructor(world: SocketWorld) {
    super({ allowHalfOpen: false, autoDestroy: true, emitClose: true });
    this.#world = world;
    this.localAddress = this.#host?.address;
    this.#host?.onKill(() => this.#vanish());
  }

  get readyState(): string {
    return this.connecting ? 'opening' : this.destroyed ? 'closed' : 'open';
  }

  get pending(): boolean {
    return this.#peer === undefined;
  }

  /** Connects to a server of the world; refused where none listens. */
  open({ host, port }: Address, connected?: () => void): this {
    const { time, cables, servers } = this.#world;
    if (connected) this.once('connect', connected);
    this.connecting = true;
    this.remoteAddress = host;
    this.remotePort = port;
    const from = this.#host?.address ?? '';
    const attempt = (): void => {
      if (this.destroyed) return;
      if (cables.isCut(from, host)) {
        cables.whenMended(from, host, (afterMs) => time.plan(afterMs, attempt, this.#host));
        return;
      }
      const found = servers.get(`${host}:${port}`);
      if (found === undefined || found.host?.isAlive === false) {
        this.connecting = false;
        this.destroy(failure('ECONNREFUSED', `connect ECONNREFUSED ${host}:${port}`));
        return;
      }
      const peer = runOn(found.host, () => new VirtualSocket(this.#world));
      peer.#peer = this;
      peer.remoteAddress = from;
      peer.remotePort = 40_000;
      this.#peer = peer;
      this.connecting = false;
      // The program of a frozen host accepts the connection later; its system does so at once.
      time.plan(0, () => found.server.emit('connection', peer), found.host);
      this.emit('connect');
      this.emit('ready');
    };
    time.plan(cables.delay(from, host), attempt, this.#host);
    return this;
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    if (this.connecting) {
      this.once('connect', () => this._write(chunk, 'buffer', done));
      return;
    }
    this.#write(Buffer.from(chunk), done);
  }

  /** What was written while the socket was corked goes out at once, as in one system call. */
  override _writev(
    chunks: { chunk: Buffer | string; encoding: BufferEncoding }[],
    done: (error?: Error) => void,
  ): void {
    if (this.connecting) {
      this.once('connect', () => this._writev(chunks, done));
      return;
    }
    const parts = chunks.map(({ chunk, encoding }) =>
      typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk,
    );
    this.#write(Buffer.concat(parts), done);
  }

  #write(bytes: Buffer, done: (error?: Error) => void): void {
    this.bytesWritten += bytes.length;
    this.#underWay += bytes.length;
    this.#send(bytes);
    if (this.#underWay < WINDOW_BYTES) done();
    else this.#waiting.push(done);
  }

  override _final(done: (error?: Error) => void): void {
    if (this.#peer !== undefined) this.#flightTo(this.#peer).end ??= 'closed';
    done();
  }

  override _read(): void {
    this.#wantsMore = true;
    this.#handOver();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const peer = this.#peer;
    this.#peer = undefined;
    this.connecting = false;
    if (peer !== undefined && !peer.destroyed) {
      const flight = this.#flightTo(peer);
      flight.end = error ? 'broken' : (flight.end ?? 'closed');
    }
    done(error);
  }

  /** The host was killed: its system closes the connection, and nothing of the program runs. */
  #vanish(): void {
    const peer = this.#peer;
    this.#peer = undefined;
    this.#waiting = [];
    this.#unread = [];
    forgetParser(this);
    if (peer !== undefined && !peer.destroyed) this.#flightTo(peer).end = 'broken';
  }

  #send(part: Buffer): void {
    if (this.#peer !== undefined) this.#flightTo(this.#peer).parts.push(part);
  }

  /** What leaves now. Everything that leaves at the same moment arrives together. */
  #flightTo(peer: VirtualSocket): Flight {
    const { time, cables } = this.#world;
    if (this.#leaving?.leftAt === time.now) return this.#leaving;
    const flight: Flight = { leftAt: time.now, parts: [], end: undefined };
    this.#leaving = flight;
    const delayMs = cables.delay(this.#host?.address ?? '', peer.#host?.address ?? '');
    this.#lastArrival = Math.max(this.#lastArrival, time.now + delayMs);
    time.plan(this.#lastArrival - time.now, () => this.#arriveAt(peer, flight), peer.#host);
    return flight;
  }

  /** A link that is cut holds back what would arrive, and everything that left later. */
  #arriveAt(peer: VirtualSocket, flight: Flight): void {
    const { time, cables } = this.#world;
    const [from, to] = [this.#host?.address ?? '', peer.#host?.address ?? ''];
    if (this.#held.length > 0) return void this.#held.push(flight);
    if (!cables.isCut(from, to)) return this.#handTo(peer, flight);
    this.#held = [flight];
    cables.whenMended(from, to, (afterMs) => {
      this.#lastArrival = Math.max(this.#lastArrival, time.now + afterMs);
      const release = (): void => {
        for (const held of this.#held.splice(0)) this.#arriveAt(peer, held);
      };
      time.plan(this.#lastArrival - time.now, release, peer.#host);
    });
  }

  #handTo(peer: VirtualSocket, { parts, end }: Flight): void {
    const [first] = parts;
    if (first !== undefined) {
      const bytes = parts.length === 1 ? first : Buffer.concat(parts);
      this.#underWay -= bytes.length;
      peer.#arrived(bytes);
    }
    if (end === 'closed') peer.#arrived(null);
    if (end === 'broken' && !peer.destroyed) peer.destroy(failure('ECONNRESET', 'read ECONNRESET'));
    if (this.#waiting.length > 0 && this.#underWay < WINDOW_BYTES)
      runOn(this.#host, () => {
        for (const done of this.#waiting.splice(0)) done();
      });
  }

  #arrived(part: Buffer | null): void {
    if (this.destroyed) return;
    this.#unread.push(part);
    this.bytesRead += part?.length ?? 0;
    this.#handOver();
  }

  #handOver(): void {
    while (this.#wantsMore && this.#unread.length > 0)
      this.#wantsMore = this.push(this.#unread.shift());
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  setTimeout(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  resetAndDestroy(): this {
    return this.destroy(failure('ECONNRESET', 'reset'));
  }

  address(): { address: string; family: string; port: number } {
    return { address: this.localAddress ?? '', family: 'IPv4', port: this.localPort ?? 0 };
  }
}

export const failure = (code: string, text: string): Error =>
  Object.assign(new Error(text), { code });

/** A parser of Node's HTTP, as far as it is ended here. */
interface Parser {
  remove(): void;
  close(): void;
}

/**
 * Ends the HTTP parser of a connection whose program runs no more. Node keeps each one, with all that it
 * belongs to, until a program learns that its connection has ended.
 */
function forgetParser(socket: Duplex & { parser?: Parser | null }): void {
  const { parser } = socket;
  if (!parser) return;
  parser.remove();
  parser.close();
  Object.assign(parser, { socket: null, incoming: null, outgoing: null, onIncoming: null });
  socket.parser = null;
}
