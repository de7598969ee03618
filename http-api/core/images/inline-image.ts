import { CodedError } from '#bus-schemas/coded-error.ts';
import { type ImageHeader, readImageHeader } from './image-header.ts';

/** An image of a request that may be decoded: its size is within the limits. */
export interface InlineImage extends ImageHeader {
  /** The file, in its format. */
  readonly bytes: Buffer;
}

/** Most images of one request. */
const MAX_IMAGES = 16;
/**
 * Most pixels of one image, and of all images of a request together. A decoder needs up to 14 bytes
 * for each pixel of the image that it decodes.
 */
const MAX_PIXELS = 25_000_000;
const MAX_REQUEST_PIXELS = 100_000_000;
const MAX_SIDE = 16_384;

/** An image of a request cannot be used. The message is a sentence for the client. */
export class UnusableImage extends CodedError<'too_large' | 'unreadable'> {}

/**
 * Reads the images of a request from their data: URIs, and refuses those that would take too much
 * memory when they are decoded (decompression bombs). Throws UnusableImage.
 */
export function readInlineImages(uris: readonly string[]): InlineImage[] {
  if (uris.length > MAX_IMAGES)
    throw new UnusableImage(
      'too_large',
      `A request has at most ${MAX_IMAGES} images, not ${uris.length}.`,
    );
  const images = uris.map((uri, index) => readInlineImage(uri, `Image ${index + 1}`));
  const pixels = images.reduce((sum, { width, height }) => sum + width * height, 0);
  if (pixels > MAX_REQUEST_PIXELS)
    throw new UnusableImage(
      'too_large',
      `The images of a request have at most ${MAX_REQUEST_PIXELS} pixels together, not ${pixels}.`,
    );
  return images;
}

function readInlineImage(uri: string, name: string): InlineImage {
  const bytes = Buffer.from(uri.slice(uri.indexOf(',') + 1), 'base64');
  const header = readImageHeader(bytes);
  if (header === undefined)
    throw new UnusableImage('unreadable', `${name} is no complete PNG, JPEG, WebP or GIF.`);
  const { width, height } = header;
  if (width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS)
    throw new UnusableImage(
      'too_large',
      `${name} has ${width}×${height} pixels; at most ${MAX_PIXELS} pixels and ${MAX_SIDE} on a side are allowed.`,
    );
  return { ...header, bytes };
}

/** Pixels on a side of the square that becomes one token, in the models that make most tokens. */
const TOKEN_SIDE = 28;
/** Tokens of an image in models that scale every image to the same number, with its marks. */
const LEAST_BOUND = 320;

/**
 * Most tokens of an image, for money. Models scale images in different ways; one that makes more
 * tokens than this is paid for these.
 */
export const imageTokenBound = ({ width, height }: ImageHeader): number =>
  LEAST_BOUND + Math.ceil(width / TOKEN_SIDE) * Math.ceil(height / TOKEN_SIDE);
