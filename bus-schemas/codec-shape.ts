/**
 * Maximum nesting of a message. An ingress accepts bodies of 64 levels; a message adds a few more.
 */
const MAX_DEPTH = 80;

/**
 * Returns true if the bytes are exactly one complete MessagePack value without extension types. It
 * must be called before decoding, because the decoder allocates the memory that a header announces:
 * 1,000 bytes of nested array headers would fill the whole memory. This function allocates nothing
 * for announced sizes, and everything that passes it contains as many bytes as it announces.
 */
export function isWholeValue(bytes: Uint8Array): boolean {
  const outer: number[] = [];
  let due = 1;
  let at = 0;
  for (;;) {
    while (due === 0) {
      const rest = outer.pop();
      if (rest === undefined) return at === bytes.length;
      due = rest;
    }
    due -= 1;
    const head = bytes[at];
    if (head === undefined) return false;
    at += 1;
    if (head < 0x80 || head >= 0xe0) continue;
    const sizeBytes = head < 0xc0 ? 0 : (SIZE_BYTES[head - 0xc0] ?? 0);
    if (at + sizeBytes > bytes.length) return false;
    const size = head < 0xc0 ? head & (head < 0xa0 ? 0x0f : 0x1f) : unsigned(bytes, at, sizeBytes);
    at += sizeBytes;
    const content = contentKindOf(head);
    if (content === 'nothing') {
      at += FIXED_BYTES[head - 0xc0] ?? 0;
    } else if (content === 'bytes') {
      at += size;
    } else if (content === 'values' || content === 'pairs') {
      const values = content === 'pairs' ? size * 2 : size;
      if (values > bytes.length - at || outer.length === MAX_DEPTH) return false;
      outer.push(due);
      due = values;
    } else {
      return false;
    }
    if (at > bytes.length) return false;
  }
}

/** Size of the length field after the heads 0xc0 to 0xdf, in bytes. */
const SIZE_BYTES = [
  0, 0, 0, 0, 1, 2, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4,
];
/** Size of the numbers with the heads 0xc0 to 0xd3, in bytes. */
const FIXED_BYTES = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8];

function contentKindOf(head: number): 'nothing' | 'bytes' | 'values' | 'pairs' | 'unknown' {
  if (head < 0x90 || head >= 0xde) return 'pairs';
  if (head < 0xa0 || head >= 0xdc) return 'values';
  if (head < 0xc0 || head >= 0xd9 || (head >= 0xc4 && head <= 0xc6)) return 'bytes';
  // 0xc1 is never used. The other heads are extension types, which no message contains.
  return head === 0xc1 || (head >= 0xc7 && head <= 0xc9) || head >= 0xd4 ? 'unknown' : 'nothing';
}

function unsigned(bytes: Uint8Array, at: number, length: number): number {
  let value = 0;
  for (let index = at; index < at + length; index += 1) value = value * 256 + (bytes[index] ?? 0);
  return value;
}
