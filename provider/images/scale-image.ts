/** How the pixels of an image become those of another size; the names are those of Pillow. */
export type ScalingFilter = 'bilinear' | 'bicubic';

export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

/** How an image is scaled. */
export interface Scaled extends ImageSize {
  readonly filter: ScalingFilter;
  /** If true, a picture that its file turns by a quarter gets the sides exchanged. */
  readonly followsTurn?: boolean;
}

/** The pixels of an image, with 8 bits for red, green and blue of each. */
export interface Pixels extends ImageSize {
  readonly numbers: Uint8Array<ArrayBuffer>;
}

/** Rows of pixels, whose numbers have 8 bits. */
interface Raster extends ImageSize {
  readonly numbers: Uint8Array | Uint8ClampedArray;
  /** Numbers of one pixel: red, green, blue, and perhaps opacity. */
  readonly channels: 3 | 4;
}

const COLOURS = 3;
/** Bits behind the point in Pillow's weights. */
const PRECISION = 22;

/**
 * Scales an image as Pillow does: first its rows, then its columns, with rounding to 8 bits after
 * both. A model was trained with images that Pillow scaled, so each number must be the same. Opacity
 * is left out, as `Image.convert('RGB')` does.
 */
export function scaleImage(
  image: Raster,
  { width, height, filter }: ImageSize & { readonly filter: ScalingFilter },
): Uint8Array<ArrayBuffer> {
  const rows = scaleRows(image, width, filter);
  return scaleColumns({ numbers: rows, width, height: image.height }, height, filter);
}

function scaleRows(image: Raster, width: number, filter: ScalingFilter): Uint8Array<ArrayBuffer> {
  const { numbers, channels, height } = image;
  const scaled = new Uint8Array(width * height * COLOURS);
  const windows = windowsOf(image.width, width, filter);
  for (let y = 0; y < height; y += 1) {
    const row = y * image.width * channels;
    for (const [x, { first, weights }] of windows.entries())
      for (let colour = 0; colour < COLOURS; colour += 1) {
        let sum = 1 << (PRECISION - 1);
        let at = row + first * channels + colour;
        for (let i = 0; i < weights.length; i += 1, at += channels)
          sum += (numbers[at] as number) * (weights[i] as number);
        scaled[(y * width + x) * COLOURS + colour] = to8Bits(sum);
      }
  }
  return scaled;
}

function scaleColumns(
  { numbers, width, height: before }: ImageSize & { readonly numbers: Uint8Array },
  height: number,
  filter: ScalingFilter,
): Uint8Array<ArrayBuffer> {
  const rowSize = width * COLOURS;
  const scaled = new Uint8Array(height * rowSize);
  for (const [y, { first, weights }] of windowsOf(before, height, filter).entries())
    for (let x = 0; x < rowSize; x += 1) {
      let sum = 1 << (PRECISION - 1);
      let at = first * rowSize + x;
      for (let i = 0; i < weights.length; i += 1, at += rowSize)
        sum += (numbers[at] as number) * (weights[i] as number);
      scaled[y * rowSize + x] = to8Bits(sum);
    }
  return scaled;
}

/** The sum has at most 31 bits: the weights of a pixel add up to one. */
const to8Bits = (sum: number): number => Math.max(0, Math.min(255, sum >> PRECISION));

/** The pixels from which one pixel is computed, with their weights. */
interface Window {
  readonly first: number;
  readonly weights: Int32Array;
}

function windowsOf(before: number, after: number, filter: ScalingFilter): Window[] {
  if (before === after)
    return Array.from({ length: after }, (_, first) => ({
      first,
      weights: Int32Array.of(1 << PRECISION),
    }));
  const { support, weight } = FILTERS[filter];
  const scale = before / after;
  const widening = Math.max(1, scale);
  // Pillow multiplies by it too: a division would round some weights in another way.
  const narrowing = 1 / widening;
  return Array.from({ length: after }, (_, pixel) => {
    const centre = (pixel + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support * widening + 0.5));
    const end = Math.min(before, Math.trunc(centre + support * widening + 0.5));
    const shares = Array.from({ length: end - first }, (_, i) =>
      weight((i + first - centre + 0.5) * narrowing),
    );
    const total = shares.reduce((sum, share) => sum + share, 0);
    return {
      first,
      weights: Int32Array.from(shares, (share) => {
        const exact = (share / total) * (1 << PRECISION);
        return Math.trunc(exact < 0 ? exact - 0.5 : exact + 0.5);
      }),
    };
  });
}

const FILTERS = {
  bilinear: { support: 1, weight: (x: number) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: {
    support: 2,
    weight: (x: number) => {
      const far = Math.abs(x);
      if (far < 1) return (1.5 * far - 2.5) * far * far + 1;
      return far < 2 ? -0.5 * (((far - 5) * far + 8) * far - 4) : 0;
    },
  },
} as const;
