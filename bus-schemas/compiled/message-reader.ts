const NOTHING = new Uint8Array(0);
const UINT32 = 0x1_0000_0000;
const REPLACEMENT = '\ufffd';
const BYTE_ORDER_MARK = 0xfeff;
/** @msgpack/msgpack drops the byte order mark of texts with more bytes than this. */
const MAX_MARKED_TEXT = 200;

/** Reads UTF-8 without the checks of arguments of `toString`, which take a third of the time. */
const { utf8Slice } = Buffer.prototype as unknown as {
  utf8Slice(this: Uint8Array, start: number, end: number): string;
};

/**
 * Reads the values of one message at a time. The result is `undefined`, or NaN for numbers, where
 * there is a value of another type, where the message ends, and for text that is not UTF-8.
 * Announced lengths allocate nothing: lists grow with their items, and bytes are views of the message.
 */
export class MessageReader {
  bytes: Uint8Array = NOTHING;
  at = 0;
  readonly #scratch = new Uint8Array(8);
  readonly #view = new DataView(this.#scratch.buffer);

  start(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.at = 0;
  }

  /** The value, if it ends with the message. The message is not kept. */
  finish<T>(value: T): T | undefined {
    const isWhole = this.at === this.bytes.length;
    this.bytes = NOTHING;
    return isWhole ? value : undefined;
  }

  text(): string | undefined {
    const size = this.#textSize();
    const { bytes, at } = this;
    const end = at + size;
    if (!(end <= bytes.length)) return undefined;
    this.at = end;
    if (size === 0) return '';
    const text = utf8Slice.call(bytes, at, end);
    // Node reads an invalid byte as this character, and @msgpack/msgpack as another one.
    if (text.includes(REPLACEMENT)) return undefined;
    return size > MAX_MARKED_TEXT && text.charCodeAt(0) === BYTE_ORDER_MARK ? undefined : text;
  }

  /** Size of the text in bytes; NaN if there is none. */
  #textSize(): number {
    const { bytes, at } = this;
    const head = bytes[at] as number;
    if ((head & 0xe0) === 0xa0) {
      this.at = at + 1;
      return head & 0x1f;
    }
    return head >= 0xd9 && head <= 0xdb ? this.#size(head - 0xd9) : Number.NaN;
  }

  /** The length after a head, whose field has 2^power bytes. */
  #size(power: number): number {
    const { bytes, at } = this;
    const end = at + 1 + (1 << power);
    let size = 0;
    for (let index = at + 1; index < end; index += 1)
      size = size * 0x100 + (bytes[index] as number);
    this.at = end;
    return size;
  }

  /** A view of the bytes in the message. */
  binary(min: number, max: number): Uint8Array | undefined {
    const head = this.bytes[this.at] as number;
    if (!(head >= 0xc4 && head <= 0xc6)) return undefined;
    const size = this.#size(head - 0xc4);
    const { bytes, at } = this;
    if (!(size >= min && size <= max && at + size <= bytes.length)) return undefined;
    this.at = at + size;
    return bytes.subarray(at, at + size);
  }

  boolean(): boolean | undefined {
    const head = this.bytes[this.at];
    this.at += 1;
    if (head === 0xc3) return true;
    return head === 0xc2 ? false : undefined;
  }

  null(): null | undefined {
    this.at += 1;
    return this.bytes[this.at - 1] === 0xc0 ? null : undefined;
  }

  number(): number {
    const { bytes, at } = this;
    const head = bytes[at] as number;
    this.at = at + 1;
    if (head < 0x80) return head;
    if (head >= 0xe0) return head - 0x100;
    return this.#longNumber(head);
  }

  #longNumber(head: number): number {
    const { bytes, at } = this;
    switch (head) {
      case 0xcc:
        this.at = at + 1;
        return bytes[at] ?? Number.NaN;
      case 0xcd:
        this.at = at + 2;
        return (bytes[at] as number) * 0x100 + (bytes[at + 1] as number);
      case 0xce:
        return this.#copied(4).getUint32(0);
      case 0xcf: {
        const view = this.#copied(8);
        return view.getUint32(0) * UINT32 + view.getUint32(4);
      }
      case 0xd0:
        return this.#copied(1).getInt8(0);
      case 0xd1:
        return this.#copied(2).getInt16(0);
      case 0xd2:
        return this.#copied(4).getInt32(0);
      case 0xd3: {
        const view = this.#copied(8);
        return view.getInt32(0) * UINT32 + view.getUint32(4);
      }
      case 0xca:
        return this.#copied(4).getFloat32(0);
      case 0xcb:
        return this.#copied(8).getFloat64(0);
      default:
        return Number.NaN;
    }
  }

  /** The next bytes, for views that the message has none of. Beyond its end they are zeros. */
  #copied(size: number): DataView {
    const { bytes, at } = this;
    const scratch = this.#scratch;
    for (let index = 0; index < size; index += 1) scratch[index] = bytes[at + index] as number;
    this.at = at + size;
    return this.#view;
  }

  /** Number of items that an array announces; NaN if there is none. */
  array(): number {
    return this.#count(0x90, 0xdc);
  }

  /** Number of fields that a map announces; NaN if there is none. */
  map(): number {
    return this.#count(0x80, 0xde);
  }

  #count(short: number, long: number): number {
    const { bytes, at } = this;
    const head = bytes[at] as number;
    if ((head & 0xf0) === short) {
      this.at = at + 1;
      return head & 0x0f;
    }
    return head === long || head === long + 1 ? this.#size(head - long + 1) : Number.NaN;
  }
}
