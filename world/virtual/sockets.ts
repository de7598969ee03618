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
        time.plan(cables.retryMs, attempt, this.#host);
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
    this.#send(null);
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
    if (peer !== undefined && !peer.destroyed)
      this.#after(peer, () => peer.#broken(error ? 'ECONNRESET' : undefined));
    done(error);
  }

  /** The host was killed: its system closes the connection, and nothing of the program runs. */
  #vanish(): void {
    const peer = this.#peer;
    this.#peer = undefined;
    this.#waiting = [];
    this.#unread = [];
    if (peer !== undefined && !peer.destroyed) this.#after(peer, () => peer.#broken('ECONNRESET'));
  }

  #send(part: Buffer | null): void {
    const peer = this.#peer;
    if (peer === undefined) return;
    this.#after(peer, () => {
      this.#underWay -= part?.length ?? 0;
      peer.#arrived(part);
      if (this.#underWay < WINDOW_BYTES)
        runOn(this.#host, () => {
          for (const done of this.#waiting.splice(0)) done();
        });
    });
  }

  /** Runs the work at the other end once everything sent before has arrived there. */
  #after(peer: VirtualSocket, work: () => void): void {
    const { time, cables } = this.#world;
    const from = this.#host?.address ?? '';
    const to = peer.#host?.address ?? '';
    const arrival = Math.max(this.#lastArrival, time.now + cables.delay(from, to));
    this.#lastArrival = arrival;
    const arrive = (): void => {
      if (cables.isCut(from, to)) time.plan(cables.retryMs, arrive, peer.#host);
      else work();
    };
    time.plan(arrival - time.now, arrive, peer.#host);
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

  #broken(code: string | undefined): void {
    if (this.destroyed) return;
    if (code === undefined) this.#arrived(null);
    else this.destroy(failure(code, `read ${code}`));
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
