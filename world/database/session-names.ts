/** One message of the Postgres protocol, with its type and length in front. */
export interface FrontendMessage {
  readonly type: string;
  readonly bytes: Buffer;
}

const HEADER_BYTES = 5;

/** Cuts complete messages off the front of the bytes. */
export function takeMessages(bytes: Buffer): { messages: FrontendMessage[]; rest: Buffer } {
  const messages: FrontendMessage[] = [];
  let rest = bytes;
  while (rest.length >= HEADER_BYTES) {
    const size = 1 + rest.readInt32BE(1);
    if (rest.length < size) break;
    messages.push({ type: String.fromCharCode(rest[0] ?? 0), bytes: rest.subarray(0, size) });
    rest = rest.subarray(size);
  }
  return { messages, rest };
}

/**
 * Gives a prepared statement a name that belongs to its connection. All connections of a world
 * share one session of the database, and in Postgres each session has names of its own.
 */
export function withOwnName(message: FrontendMessage, connection: number): Buffer {
  const { type, bytes } = message;
  switch (type) {
    case 'P':
      return renamed(bytes, HEADER_BYTES, connection);
    case 'B':
      return renamed(bytes, bytes.indexOf(0, HEADER_BYTES) + 1, connection);
    case 'D':
    case 'C':
      return bytes[HEADER_BYTES] === 'S'.charCodeAt(0)
        ? renamed(bytes, HEADER_BYTES + 1, connection)
        : bytes;
    default:
      return bytes;
  }
}

export const ownPrefix = (connection: number): string => `c${connection}:`;

/** Puts the prefix in front of the name at this place; the statement without a name has none. */
function renamed(bytes: Buffer, place: number, connection: number): Buffer {
  if (bytes[place] === 0) return bytes;
  const made = Buffer.concat([
    bytes.subarray(0, place),
    Buffer.from(ownPrefix(connection)),
    bytes.subarray(place),
  ]);
  made.writeInt32BE(made.length - 1, 1);
  return made;
}
