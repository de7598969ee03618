import { connect, type Socket } from 'node:net';

/**
 * A minimal HTTP/1.1 client for measurements. It needs little processor time, because a client that
 * needs as much as the server would hide differences between servers. It parses only what the
 * measured servers send.
 */

export interface Exchange {
  readonly status: number;
  readonly body: string;
  /** Milliseconds from the first byte sent to the first byte of the body. */
  readonly firstByteMs: number;
  readonly totalMs: number;
  /** Milliseconds between two server-sent events that held content. */
  readonly gapsMs: readonly number[];
}

export interface Target {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

const HEAD_END = '\r\n\r\n';
const LAST_CHUNK = '\r\n0\r\n\r\n';

export function encodeRequest(target: Target, body: string): Buffer {
  const headers = {
    host: `${target.host}:${target.port}`,
    'content-type': 'application/json',
    ...target.headers,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(
    `POST ${target.path} HTTP/1.1\r\n${lines.join('')}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

export class HttpStreamClient implements Disposable {
  readonly #socket: Socket;
  #exchange: Reception | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (bytes) => {
      if (this.#exchange?.take(bytes)) this.#exchange = undefined;
    });
    socket.on('close', () => this.#exchange?.fail(new Error('the server closed the connection')));
    socket.on('error', (error) => this.#exchange?.fail(error));
  }

  static async open({ host, port }: Target): Promise<HttpStreamClient> {
    const socket = connect({ host, port });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new HttpStreamClient(socket);
  }

  exchange(request: Buffer): Promise<Exchange> {
    return new Promise((resolve, reject) => {
      this.#exchange = new Reception(resolve, reject);
      this.#socket.write(request);
    });
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

class Reception {
  readonly #resolve: (exchange: Exchange) => void;
  readonly fail: (error: Error) => void;
  readonly #startedAt = performance.now();
  readonly #gapsMs: number[] = [];
  readonly #body: string[] = [];
  #head = '';
  #inBody = false;
  #bodyLength = 0;
  #wantedLength: number | undefined;
  #tail = '';
  #firstByteMs = 0;
  #contentAt = 0;

  constructor(resolve: (exchange: Exchange) => void, reject: (error: Error) => void) {
    this.#resolve = resolve;
    this.fail = reject;
  }

  /** Processes received bytes, and returns true when the response is complete. */
  take(bytes: Buffer): boolean {
    const now = performance.now();
    // latin1 maps each byte to one character, so that text lengths are byte lengths.
    const text = bytes.toString('latin1');
    const part = this.#inBody ? text : this.#readHead(text);
    if (part === undefined || part === '') return false;
    this.#takeBody(part, now);
    if (!this.#isWhole()) return false;
    const body = this.#body.join('');
    this.#resolve({
      status: Number(this.#head.slice(9, 12)),
      body: Buffer.from(this.#wantedLength === undefined ? unchunk(body) : body, 'latin1').toString(
        'utf8',
      ),
      firstByteMs: this.#firstByteMs,
      totalMs: now - this.#startedAt,
      gapsMs: this.#gapsMs,
    });
    return true;
  }

  /**
   * Returns the part of the text that belongs to the body; undefined until the head is complete.
   */
  #readHead(text: string): string | undefined {
    this.#head += text;
    const end = this.#head.indexOf(HEAD_END);
    if (end < 0) return undefined;
    const rest = this.#head.slice(end + HEAD_END.length);
    this.#head = this.#head.slice(0, end + 2);
    this.#inBody = true;
    const length = /\r\ncontent-length: *(\d+)/i.exec(this.#head)?.[1];
    this.#wantedLength = length === undefined ? undefined : Number(length);
    return rest;
  }

  #takeBody(part: string, now: number): void {
    if (this.#bodyLength === 0) this.#firstByteMs = now - this.#startedAt;
    this.#body.push(part);
    this.#bodyLength += part.length;
    this.#tail = (this.#tail + part).slice(-LAST_CHUNK.length);
    if (!part.includes('"content":')) return;
    if (this.#contentAt > 0) this.#gapsMs.push(now - this.#contentAt);
    this.#contentAt = now;
  }

  #isWhole(): boolean {
    return this.#wantedLength === undefined
      ? this.#tail === LAST_CHUNK
      : this.#bodyLength >= this.#wantedLength;
  }
}

function unchunk(body: string): string {
  const parts: string[] = [];
  for (let at = 0; ; ) {
    const lineEnd = body.indexOf('\r\n', at);
    const size = Number.parseInt(body.slice(at, lineEnd), 16);
    if (!(size > 0)) return parts.join('');
    parts.push(body.slice(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
  }
}
