/** What the first bytes of an image say about it. Nothing is decompressed. */
export interface ImageHeader {
  readonly type: 'png' | 'jpeg' | 'webp' | 'gif';
  readonly width: number;
  readonly height: number;
}

const PNG_SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');
const JPEG_SIGNATURE = Buffer.from('ffd8ff', 'hex');

/**
 * Reads the type and size of an image, or returns undefined if it is no image of these types. A file
 * of some hundred bytes can decompress to gigabytes, so its size must be known before it is decoded.
 */
export function readImageHeader(bytes: Buffer): ImageHeader | undefined {
  const header = startsWith(bytes, PNG_SIGNATURE)
    ? pngHeader(bytes)
    : startsWith(bytes, JPEG_SIGNATURE)
      ? jpegHeader(bytes)
      : (webpHeader(bytes) ?? gifHeader(bytes));
  return header !== undefined && header.width > 0 && header.height > 0 ? header : undefined;
}

const startsWith = (bytes: Buffer, signature: Buffer): boolean =>
  bytes.subarray(0, signature.length).equals(signature);

const textAt = (bytes: Buffer, from: number, length: number): string =>
  bytes.toString('latin1', from, from + length);

function pngHeader(bytes: Buffer): ImageHeader | undefined {
  if (bytes.length < 33 || textAt(bytes, 12, 4) !== 'IHDR') return undefined;
  return { type: 'png', width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
}

/** Reads segment after segment up to the start of a frame, which has the size. */
function jpegHeader(bytes: Buffer): ImageHeader | undefined {
  let at = JPEG_SIGNATURE.length - 1;
  while (at + 9 < bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1] as number;
    if (marker === 0xff) at += 1;
    else if (isFrame(marker))
      return {
        type: 'jpeg',
        width: bytes.readUInt16BE(at + 7),
        height: bytes.readUInt16BE(at + 5),
      };
    else if (marker === START_OF_SCAN || marker === END_OF_IMAGE) return undefined;
    else at += isAlone(marker) ? 2 : 2 + bytes.readUInt16BE(at + 2);
  }
  return undefined;
}

const START_OF_SCAN = 0xda;
const END_OF_IMAGE = 0xd9;
/** C4, C8 and CC are tables and extensions in the range of the frames. */
const isFrame = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
/** Markers without a length: restarts, and one for arithmetic coding. */
const isAlone = (marker: number): boolean => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8);

function webpHeader(bytes: Buffer): ImageHeader | undefined {
  if (bytes.length < 30 || textAt(bytes, 0, 4) !== 'RIFF' || textAt(bytes, 8, 4) !== 'WEBP')
    return undefined;
  const type = 'webp';
  switch (textAt(bytes, 12, 4)) {
    case 'VP8 ':
      if (bytes.readUIntBE(23, 3) !== 0x9d012a) return undefined;
      return {
        type,
        width: bytes.readUInt16LE(26) & 0x3fff,
        height: bytes.readUInt16LE(28) & 0x3fff,
      };
    case 'VP8L': {
      if (bytes[20] !== 0x2f) return undefined;
      const bits = bytes.readUInt32LE(21);
      return { type, width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
    }
    case 'VP8X':
      return { type, width: bytes.readUIntLE(24, 3) + 1, height: bytes.readUIntLE(27, 3) + 1 };
    default:
      return undefined;
  }
}

function gifHeader(bytes: Buffer): ImageHeader | undefined {
  if (bytes.length < 14 || !/^GIF8[79]a$/.test(textAt(bytes, 0, 6))) return undefined;
  return { type: 'gif', width: bytes.readUInt16LE(6), height: bytes.readUInt16LE(8) };
}
