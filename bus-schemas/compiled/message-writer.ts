/**
 * Writes MessagePack as @msgpack/msgpack does, byte for byte, to one buffer that all messages share.
 * What it does not write (a value of another type, a message that is too large, text that is not
 * well-formed) makes `isComplete` false, and what follows is then without meaning.
 */

/** Most bytes of a message that is written here. */
export const MAX_COMPILED_BYTES = 64 * 1024;
/** Text up to this length is copied by characters, which is faster than a call into Node. */
const MAX_COPIED_TEXT = 28;
/** The same for bytes. */
const MAX_COPIED_BYTES = 40;

const MAX_HEAD_BYTES = 5;
const NUMBER_BYTES = 9;
/** Most bytes of UTF-8 for one unit of a JavaScript string. */
const MAX_UNIT_BYTES = 3;
const UINT32 = 0x1_0000_0000;

export class MessageWriter {
  /**
   * Stores beyond its end are ignored, as in every typed array. The end of a message is compared with
   * its length.
   */
  readonly bytes = Buffer.allocUnsafeSlow(MAX_COMPILED_BYTES);
  readonly #view = new DataView(this.bytes.buffer);
  at = 0;
  isComplete = true;

  start(): void {
    this.at = 0;
    this.isComplete = true;
  }

  /** A copy of the message; undefined if it is not complete. */
  finish(): Uint8Array | undefined {
    const { at, bytes } = this;
    if (!this.isComplete || at > MAX_COMPILED_BYTES) return undefined;
    // A part of the block that Node shares among small buffers: a buffer of its own takes longer than
    // writing the message.
    const { buffer, byteOffset } = Buffer.allocUnsafe(at);
    const copy = new Uint8Array(buffer, byteOffset, at);
    copy.set(bytes.subarray(0, at));
    return copy;
  }

  fail(): void {
    this.isComplete = false;
  }

  /** Forgets what failed since `at`. */
  again(at: number): void {
    this.at = at;
    this.isComplete = true;
  }

  #hasRoom(size: number): boolean {
    const fits = this.at + size <= MAX_COMPILED_BYTES;
    if (!fits) this.isComplete = false;
    return fits;
  }

  text(value: unknown): void {
    if (typeof value !== 'string') return this.fail();
    const { length } = value;
    if (!this.#hasRoom(MAX_HEAD_BYTES + MAX_UNIT_BYTES * length)) return;
    if (length > MAX_COPIED_TEXT || !this.#copyAscii(value)) this.#encodeText(value);
  }

  #copyAscii(value: string): boolean {
    const { bytes, at } = this;
    const { length } = value;
    for (let index = 0; index < length; index += 1) {
      const unit = value.charCodeAt(index);
      if (unit > 0x7f) return false;
      bytes[at + 1 + index] = unit;
    }
    bytes[at] = 0xa0 | length;
    this.at = at + 1 + length;
    return true;
  }

  #encodeText(value: string): void {
    const { bytes, at } = this;
    // Most texts are ASCII, so that the length in bytes is the one in characters.
    const expectedHead = textHeadBytes(value.length);
    const size = bytes.write(value, at + expectedHead, 'utf8');
    // For a lone surrogate, @msgpack/msgpack writes what depends on the length of the text.
    if (size !== value.length && !value.isWellFormed()) return this.fail();
    const head = textHeadBytes(size);
    if (head !== expectedHead)
      bytes.copyWithin(at + head, at + expectedHead, at + expectedHead + size);
    if (head === 1) bytes[at] = 0xa0 | size;
    else this.#head(0xd9, size);
    this.at = at + head + size;
  }

  binary(value: unknown): void {
    if (!(value instanceof Uint8Array)) return this.fail();
    const { length } = value;
    if (!this.#hasRoom(MAX_HEAD_BYTES + length)) return;
    const { bytes } = this;
    const at = this.at + this.#head(0xc4, length);
    if (length > MAX_COPIED_BYTES) bytes.set(value, at);
    else for (let index = 0; index < length; index += 1) bytes[at + index] = value[index] as number;
    this.at = at + length;
  }

  /** Writes a length of one byte after the head `first`, or one of two bytes after the next head. */
  #head(first: number, size: number): number {
    const { bytes, at } = this;
    if (size < 0x100) {
      bytes[at] = first;
      bytes[at + 1] = size;
      return 2;
    }
    bytes[at] = first + 1;
    bytes[at + 1] = size >> 8;
    bytes[at + 2] = size;
    return 3;
  }

  number(value: unknown): void {
    if (typeof value !== 'number') return this.fail();
    const { bytes, at } = this;
    if (value >= 0 && value < 0x80 && Number.isInteger(value)) {
      bytes[at] = value;
      this.at = at + 1;
    } else if (this.#hasRoom(NUMBER_BYTES)) {
      if (!Number.isSafeInteger(value)) this.#float(value);
      else if (value < 0) this.#negative(value);
      else this.#positive(value);
    }
  }

  #float(value: number): void {
    this.bytes[this.at] = 0xcb;
    this.#view.setFloat64(this.at + 1, value);
    this.at += 9;
  }

  #positive(value: number): void {
    const { bytes, at } = this;
    if (value < 0x1_0000) {
      this.at = at + this.#head(0xcc, value);
    } else if (value < UINT32) {
      bytes[at] = 0xce;
      this.#view.setUint32(at + 1, value);
      this.at = at + 5;
    } else {
      bytes[at] = 0xcf;
      this.#view.setUint32(at + 1, value / UINT32);
      this.#view.setUint32(at + 5, value);
      this.at = at + 9;
    }
  }

  #negative(value: number): void {
    const { bytes, at } = this;
    const view = this.#view;
    if (value >= -0x20) {
      bytes[at] = value;
      this.at = at + 1;
    } else if (value >= -0x80) {
      bytes[at] = 0xd0;
      bytes[at + 1] = value;
      this.at = at + 2;
    } else if (value >= -0x8000) {
      bytes[at] = 0xd1;
      view.setInt16(at + 1, value);
      this.at = at + 3;
    } else if (value >= -0x8000_0000) {
      bytes[at] = 0xd2;
      view.setInt32(at + 1, value);
      this.at = at + 5;
    } else {
      bytes[at] = 0xd3;
      view.setInt32(at + 1, Math.floor(value / UINT32));
      view.setUint32(at + 5, value);
      this.at = at + 9;
    }
  }

  boolean(value: unknown): void {
    if (typeof value !== 'boolean') return this.fail();
    this.bytes[this.at] = value ? 0xc3 : 0xc2;
    this.at += 1;
  }

  null(value: unknown): void {
    if (value !== null) return this.fail();
    this.bytes[this.at] = 0xc0;
    this.at += 1;
  }

  array(size: number): void {
    const { bytes, at } = this;
    if (size < 16) {
      bytes[at] = 0x90 | size;
      this.at = at + 1;
    } else if (this.#hasRoom(size)) {
      bytes[at] = 0xdc;
      bytes[at + 1] = size >> 8;
      bytes[at + 2] = size;
      this.at = at + 3;
    }
  }

  /** Leaves room for the head of a map, whose size is known when its fields have been written. */
  startMap(): number {
    this.at += 1;
    return this.at - 1;
  }

  endMap(start: number, size: number): void {
    const { bytes } = this;
    if (size < 16) {
      bytes[start] = 0x80 | size;
    } else if (this.#hasRoom(2)) {
      bytes.copyWithin(start + 3, start + 1, this.at);
      bytes[start] = 0xde;
      bytes[start + 1] = size >> 8;
      bytes[start + 2] = size;
      this.at += 2;
    }
  }
}

function textHeadBytes(size: number): number {
  if (size < 32) return 1;
  return size < 0x100 ? 2 : 3;
}
