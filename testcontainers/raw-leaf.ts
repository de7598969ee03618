import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { Nkey } from '#bus-schemas';

/** A message that the hub sent to the leaf node. */
export interface RawMessage {
  readonly subject: string;
  readonly payload: Buffer;
}

const CONNECT_MS = 5_000;
const LINE_END = '\r\n';

/**
 * A leaf node as an attacker would write it: it speaks the protocol, holds the credentials of a
 * provider, and ignores the permissions that the hub sends. Tests use it to check that the hub
 * itself enforces the permissions and does not rely on the leaf node.
 */
export class RawLeaf implements Disposable {
  readonly received: RawMessage[] = [];
  readonly errors: string[] = [];
  /** Resolves when either side has ended the connection. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  #waiting: Buffer = Buffer.alloc(0);
  #pongs: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('error', (error) => this.errors.push(error.message));
  }

  /** Signs in with a credentials file. Resolves when the hub has accepted or rejected it. */
  static async connect({
    url,
    credentialsFile,
    server = 'raw',
  }: {
    url: string;
    credentialsFile: string;
    server?: string;
  }): Promise<RawLeaf> {
    const { hostname, port } = new URL(url);
    const { jwt, key } = readCredentials(credentialsFile);
    const socket = connect({ host: hostname, port: Number(port) });
    const leaf = new RawLeaf(socket);
    const info = await leaf.#info();
    const sig = Buffer.from(key.sign(Buffer.from(String(info['nonce'] ?? '')))).toString(
      'base64url',
    );
    const hello = {
      jwt,
      sig,
      server_id: `N${server.toUpperCase()}`,
      name: server,
      headers: true,
      no_responders: true,
      protocol: 1,
    };
    socket.on('data', (bytes) => leaf.#take(bytes));
    leaf.#write(`CONNECT ${JSON.stringify(hello)}`);
    await Promise.race([leaf.flush(), leaf.closed]);
    return leaf;
  }

  #info(): Promise<Record<string, unknown>> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('the hub sent no INFO line')), CONNECT_MS);
      this.#socket.once('data', (bytes) => {
        clearTimeout(timer);
        const [first = ''] = bytes.toString().split(LINE_END);
        resolve(JSON.parse(first.slice('INFO '.length)));
      });
    });
  }

  subscribe(subject: string): void {
    this.#write(`LS+ ${subject}`);
  }

  publish(subject: string, payload: string | Uint8Array, reply = ''): void {
    const bytes = Buffer.from(payload);
    this.#socket.write(
      Buffer.concat([
        Buffer.from(`LMSG ${subject} ${reply === '' ? '' : `${reply} `}${bytes.length}${LINE_END}`),
        bytes,
        Buffer.from(LINE_END),
      ]),
    );
  }

  /** Resolves when the hub has processed everything sent before, or has closed the connection. */
  async flush(): Promise<void> {
    const pong = new Promise<void>((resolve) => this.#pongs.push(resolve));
    this.#write('PING');
    await Promise.race([pong, this.closed]);
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed;
  }

  #write(line: string): void {
    this.#socket.write(line + LINE_END);
  }

  #take(bytes: Buffer): void {
    this.#waiting = Buffer.concat([this.#waiting, bytes]);
    for (
      let end = this.#waiting.indexOf(LINE_END);
      end >= 0;
      end = this.#waiting.indexOf(LINE_END)
    ) {
      const line = this.#waiting.subarray(0, end).toString();
      const after = end + LINE_END.length;
      const size = /^(?:LMSG|RMSG) .* (\d+)$/.exec(line)?.[1] ?? /^HMSG .* (\d+)$/.exec(line)?.[1];
      if (size === undefined) {
        this.#waiting = this.#waiting.subarray(after);
        this.#command(line);
        continue;
      }
      const whole = after + Number(size) + LINE_END.length;
      if (this.#waiting.length < whole) return;
      this.received.push({
        subject: line.split(' ')[1] ?? '',
        payload: Buffer.from(this.#waiting.subarray(after, after + Number(size))),
      });
      this.#waiting = this.#waiting.subarray(whole);
    }
  }

  #command(line: string): void {
    if (line === 'PING') this.#write('PONG');
    else if (line === 'PONG') this.#pongs.shift()?.();
    else if (line.startsWith('-ERR')) this.errors.push(line);
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

function readCredentials(file: string): { jwt: string; key: Nkey } {
  const text = readFileSync(file, 'utf8');
  const block = (name: string) =>
    new RegExp(`-----BEGIN ${name}-----\\s+(\\S+)`).exec(text)?.[1] ?? '';
  return { jwt: block('NATS USER JWT'), key: Nkey.fromSeed(block('USER NKEY SEED')) };
}
