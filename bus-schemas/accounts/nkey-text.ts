/**
 * Text form of nkeys: prefix, key and CRC-16 in base32. The library does not export its own codec,
 * and one is needed to derive a key from 32 given bytes.
 */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const SEED_PREFIX = 18 << 3;
const RAW_BYTES = 32;

const KIND_PREFIX = { operator: 14 << 3, account: 0, user: 20 << 3 } as const;
export type NkeyKind = keyof typeof KIND_PREFIX;

export function publicText(kind: NkeyKind, raw: Uint8Array): string {
  return withChecksum(Buffer.concat([Uint8Array.of(KIND_PREFIX[kind]), raw]));
}

/**
 * The five bits of the kind are split over two bytes, so that every seed begins with S and the
 * letter of its kind.
 */
export function seedText(kind: NkeyKind, raw: Uint8Array): string {
  const prefix = KIND_PREFIX[kind];
  return withChecksum(
    Buffer.concat([Uint8Array.of(SEED_PREFIX | (prefix >> 5), (prefix & 31) << 3), raw]),
  );
}

/** Returns the raw key of a public nkey. */
export function parsePublic(kind: NkeyKind, text: string): Uint8Array {
  const bytes = fromBase32(text);
  const body = bytes.subarray(0, -2);
  if (
    body[0] !== KIND_PREFIX[kind] ||
    body.length !== RAW_BYTES + 1 ||
    checksum(body) !== bytes.readUInt16LE(bytes.length - 2)
  ) {
    throw new Error('not an nkey');
  }
  return body.subarray(1);
}

export function parseSeed(text: string): { kind: NkeyKind; raw: Uint8Array } {
  const bytes = fromBase32(text.trim());
  const body = bytes.subarray(0, -2);
  const [first = 0, second = 0] = body;
  const prefix = ((first & 7) << 5) | (second >> 3);
  const kind = (Object.keys(KIND_PREFIX) as NkeyKind[]).find(
    (candidate) => KIND_PREFIX[candidate] === prefix,
  );
  if (
    kind === undefined ||
    body.length !== RAW_BYTES + 2 ||
    (first & 0xf8) !== SEED_PREFIX ||
    checksum(body) !== bytes.readUInt16LE(bytes.length - 2)
  ) {
    throw new Error('not an nkey seed');
  }
  return { kind, raw: body.subarray(2) };
}

function withChecksum(body: Buffer): string {
  const crc = Buffer.alloc(2);
  crc.writeUInt16LE(checksum(body));
  return toBase32(Buffer.concat([body, crc]));
}

/** Computes CRC-16/XMODEM. */
function checksum(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1)
      crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc;
}

function toBase32(bytes: Uint8Array): string {
  let text = '';
  let buffer = 0;
  let bits = 0;
  for (const byte of bytes) {
    buffer = ((buffer << 8) | byte) & 0xffff;
    bits += 8;
    for (; bits >= 5; bits -= 5) text += ALPHABET[(buffer >> (bits - 5)) & 31];
  }
  return bits > 0 ? text + ALPHABET[(buffer << (5 - bits)) & 31] : text;
}

function fromBase32(text: string): Buffer {
  const bytes: number[] = [];
  let buffer = 0;
  let bits = 0;
  for (const letter of text) {
    const value = ALPHABET.indexOf(letter);
    if (value < 0) throw new Error('not an nkey: not base32');
    buffer = ((buffer << 5) | value) & 0xffff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((buffer >> bits) & 0xff);
    }
  }
  // The unused bits of the last letter must be zero, so that each key has exactly one text.
  if ((buffer & ((1 << bits) - 1)) !== 0)
    throw new Error('not an nkey: the unused bits of its last letter are not zero');
  if (bytes.length < 3) throw new Error('not an nkey: too short');
  return Buffer.from(bytes);
}
