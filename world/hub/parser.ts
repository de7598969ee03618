/** What a client of NATS sends to its server; a hub sends the same words to a leaf. */
export type ClientMessage =
  | { readonly is: 'connect'; readonly options: Readonly<Record<string, unknown>> }
  | { readonly is: 'info' }
  | { readonly is: 'ping' }
  | { readonly is: 'pong' }
  | { readonly is: 'sub'; readonly subject: string; readonly queue?: string; readonly sid: string }
  | { readonly is: 'unsub'; readonly sid: string; readonly max?: number }
  | ({ readonly is: 'pub' } & BusMessage);

export interface BusMessage {
  readonly subject: string;
  /** The subject that the receiver sees, if it differs: JetStream names the subject of the fact. */
  readonly deliveredAs?: string;
  readonly reply?: string;
  /** The bytes of the headers as they were sent, with their first and last line. */
  readonly headers?: Buffer;
  readonly payload: Buffer;
}

const END = '\r\n';
const CARRIAGE_RETURN = END.charCodeAt(0);

/** Reads the protocol of NATS clients out of bytes that arrive in any parts. */
export class ClientParser {
  #bytes: Buffer = Buffer.alloc(0);

  read(chunk: Buffer): ClientMessage[] {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    const messages: ClientMessage[] = [];
    for (let message = this.#next(); message !== undefined; message = this.#next())
      messages.push(message);
    return messages;
  }

  #next(): ClientMessage | undefined {
    const end = this.#bytes.indexOf(CARRIAGE_RETURN);
    if (end === -1 || end + END.length > this.#bytes.length) return undefined;
    const line = this.#bytes.toString('latin1', 0, end);
    const space = line.indexOf(' ');
    const [verb, rest] =
      space === -1 ? [line, ''] : [line.slice(0, space), line.slice(space + 1).trim()];
    const words = rest.split(' ');
    const after = end + END.length;
    switch (verb.toUpperCase()) {
      case 'CONNECT':
        this.#drop(after);
        return { is: 'connect', options: JSON.parse(rest) };
      case 'INFO':
        this.#drop(after);
        return { is: 'info' };
      case 'PING':
        this.#drop(after);
        return { is: 'ping' };
      case 'PONG':
        this.#drop(after);
        return { is: 'pong' };
      case 'SUB': {
        this.#drop(after);
        const [subject = '', second = '', third] = words;
        return third === undefined
          ? { is: 'sub', subject, sid: second }
          : { is: 'sub', subject, queue: second, sid: third };
      }
      case 'UNSUB': {
        this.#drop(after);
        const [sid = '', max] = words;
        return { is: 'unsub', sid, ...(max !== undefined && { max: Number(max) }) };
      }
      case 'PUB':
      case 'HPUB':
        return this.#publication(words, after, verb.length === 4);
      default:
        throw new Error(`a client of the hub sent ${JSON.stringify(line.slice(0, 40))}`);
    }
  }

  #publication(words: string[], start: number, hasHeaders: boolean): ClientMessage | undefined {
    const total = Number(words.at(-1));
    if (this.#bytes.length < start + total + END.length) return undefined;
    const headerBytes = hasHeaders ? Number(words.at(-2)) : 0;
    const [subject = '', ...others] = words.slice(0, hasHeaders ? -2 : -1);
    const message = {
      subject,
      ...(others[0] !== undefined && { reply: others[0] }),
      ...(hasHeaders && { headers: this.#bytes.subarray(start, start + headerBytes) }),
      payload: this.#bytes.subarray(start + headerBytes, start + total),
    };
    this.#drop(start + total + END.length);
    return { is: 'pub', ...message };
  }

  #drop(bytes: number): void {
    this.#bytes = this.#bytes.subarray(bytes);
  }
}

/** The bytes with which a server delivers a message to the subscription `sid`. */
export const delivery = (sid: string, message: BusMessage): Buffer =>
  encoded('MSG', `${message.deliveredAs ?? message.subject} ${sid}`, message);

/** The bytes with which a client, or a leaf, publishes a message. */
export const publication = (message: BusMessage): Buffer =>
  encoded('PUB', message.subject, message);

function encoded(
  verb: 'MSG' | 'PUB',
  address: string,
  { reply, headers, payload }: BusMessage,
): Buffer {
  const to = reply === undefined ? '' : `${reply} `;
  const line =
    headers === undefined
      ? `${verb} ${address} ${to}${payload.length}\r\n`
      : `H${verb} ${address} ${to}${headers.length} ${headers.length + payload.length}\r\n`;
  const before = line.length + (headers?.length ?? 0);
  const bytes = Buffer.allocUnsafe(before + payload.length + END.length);
  bytes.write(line, 'latin1');
  if (headers !== undefined) bytes.set(headers, line.length);
  bytes.set(payload, before);
  bytes.write(END, before + payload.length, 'latin1');
  return bytes;
}

/** The headers of a message without content that reports a state, such as 503. */
export const statusHeaders = (
  status: string,
  fields: Readonly<Record<string, string | number>> = {},
): Buffer => {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`NATS/1.0 ${status}\r\n${lines.join('')}\r\n`);
};

/** The value of one header; undefined if the message does not have it. */
export function headerIn(headers: Buffer | undefined, name: string): string | undefined {
  if (headers === undefined) return undefined;
  for (const line of headers.toString('utf8').split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    if (colon > 0 && line.slice(0, colon).toLowerCase() === name.toLowerCase())
      return line.slice(colon + 1).trim();
  }
  return undefined;
}
