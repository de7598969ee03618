import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ImageHeader } from '#http-api/core/images/image-header.ts';

/** Pixels with red, green, blue and opacity. */
interface DecodedImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray;
}

type Decode = (file: ArrayBuffer) => Promise<DecodedImage>;

/** The class of browsers in which the codecs return images. */
class ImageData implements DecodedImage {
  readonly data: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;

  constructor(data: Uint8ClampedArray, width: number, height: number) {
    this.data = data;
    this.width = width;
    this.height = height;
  }
}

/**
 * Loads the decoder of one type of images. The decoders are compiled to WebAssembly, so that a file
 * that exploits a fault in one reaches only the memory of this decoder, which has no other image.
 * Call it in a thread of its own.
 */
export const loadCodec = (type: DecodableType): Promise<Decode> => {
  Object.assign(globalThis, { ImageData });
  return codecs[type]();
};

export type DecodableType = Exclude<ImageHeader['type'], 'gif'>;

const codecs: Readonly<Record<DecodableType, () => Promise<Decode>>> = {
  png: async () => {
    const { default: decode, init } = await import('@jsquash/png/decode.js');
    await init(program('@jsquash/png/codec/pkg/squoosh_png_bg.wasm'));
    return (file) => decode(file);
  },
  jpeg: async () => {
    const { default: decode, init } = await import('@jsquash/jpeg/decode.js');
    await init({ wasmBinary: program('@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm') });
    // Cameras store in which direction a picture is to be turned.
    return (file) => decode(file, { preserveOrientation: true });
  },
  webp: async () => {
    const { default: decode, init } = await import('@jsquash/webp/decode.js');
    await init({ wasmBinary: program('@jsquash/webp/codec/dec/webp_dec.wasm') });
    return decode;
  },
};

const program = (path: string): ArrayBuffer =>
  Uint8Array.from(readFileSync(fileURLToPath(import.meta.resolve(path)))).buffer;
