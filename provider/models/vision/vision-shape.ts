import type { ImageSize, Scaled } from '../../images/scale-image.ts';
import { budgetSize } from './budget-size.ts';
import { smartSize } from './smart-resize.ts';

/**
 * A vision tower: it makes a vector of each patch of an image, and the embeddings of tokens from
 * squares of patches. The towers of Gemma 3 and Qwen share their block, and differ in the parts around
 * it. That of Gemma 4 has another one.
 */
export interface VisionShape {
  readonly family: 'siglip' | 'qwen' | 'gemma4';
  readonly hidden: number;
  readonly heads: number;
  /** Width between the two matrices of a layer's MLP. */
  readonly inner: number;
  readonly layers: number;
  readonly normEps: number;
  /** Pixels on a side of a patch. */
  readonly patch: number;
  /** Pictures of a video that make one patch; a still image counts as so many equal ones. */
  readonly frames: number;
  /** Patches on a side of the square that becomes one token. */
  readonly pooled: number;
  /** Size of the embeddings that the decoder gets. */
  readonly out: number;
  /**
   * Entries on a side of the square table of positions. An image with another number of patches has
   * positions between them. The tower of Gemma 4 has two tables of so many entries, one for columns and one
   * for rows.
   */
  readonly positionsAcross: number;
  /** Base of the angles by which queries and keys rotate with row and column; 0 if nothing rotates. */
  readonly ropeTheta: number;
  /**
   * Indices, in rising order, of the layers after which numbers for the first layers of the decoder
   * are made, beside the embeddings.
   */
  readonly deepLayers: readonly number[];
  readonly scaling: Scaling;
  /** Set for the block of Gemma 4. */
  readonly gated?: GatedBlock;
}

/**
 * What is particular to the tower of Gemma 4, whose block has gated MLPs, norms without biases, and a
 * norm for each head.
 */
interface GatedBlock {
  /** Size of a head. All heads together may be wider or narrower than a patch's vector. */
  readonly headDim: number;
  /** True if the inputs and outputs of each matrix have bounds. */
  readonly clips: boolean;
  /** True if averages get the mean and the deviation of the data with which the model was trained. */
  readonly standardises: boolean;
  /** True if the tokens of an image attend to one another in the decoder. */
  readonly isWhole: boolean;
}

/** A tower with the block of Gemma 4. */
export type GatedShape = VisionShape & { readonly gated: GatedBlock };

export const isGated = (shape: VisionShape): shape is GatedShape => shape.gated !== undefined;

/** The size to which images are scaled. */
export type Scaling =
  | { readonly kind: 'square'; readonly side: number }
  /** The proportions are kept. Both sides are multiples of the side of a token. */
  | { readonly kind: 'within'; readonly leastPixels: number; readonly mostPixels: number }
  /** The proportions are kept, and an image has about as many tokens as are allowed. */
  | { readonly kind: 'budget'; readonly tokens: number };

const COLOURS = 3;

export const numbersOfPatch = ({ patch, frames }: VisionShape): number =>
  COLOURS * frames * patch * patch;

/** Numbers of a token that a decoder gets: its embedding, and what is added after its first layers. */
export const numbersOfToken = ({ out, deepLayers }: VisionShape): number =>
  out * (1 + deepLayers.length);

/**
 * How an image of this size is scaled for the tower. Throws UnusableImage for an image with extreme
 * proportions.
 */
export function scaledFor({ scaling, patch, pooled }: VisionShape, image: ImageSize): Scaled {
  if (scaling.kind === 'square')
    return { width: scaling.side, height: scaling.side, filter: 'bilinear' };
  const side = patch * pooled;
  const size =
    scaling.kind === 'budget'
      ? budgetSize(image, { ...scaling, side })
      : smartSize(image, { ...scaling, step: side });
  return { ...size, filter: 'bicubic', followsTurn: true };
}

export const patchesOf = ({ patch }: VisionShape, { width, height }: ImageSize): number =>
  (width / patch) * (height / patch);

/** Number of tokens of an image, by the size in its file. Throws UnusableImage. */
export const tokensOfImage = (shape: VisionShape, image: ImageSize): number =>
  patchesOf(shape, scaledFor(shape, image)) / shape.pooled ** 2;

/**
 * How the tokens of an image stand to one another in the decoder: they attend to one another, or they have
 * rows and columns.
 */
export function standingOf(
  shape: VisionShape,
  { width, height }: ImageSize,
): { readonly isWhole: boolean; readonly grid?: { rows: number; columns: number } } {
  const isWhole = imagesAreWhole(shape);
  if (shape.family !== 'qwen') return { isWhole };
  const side = shape.patch * shape.pooled;
  return { isWhole, grid: { rows: height / side, columns: width / side } };
}

/** Whether the tokens of an image attend to one another in the decoder. */
export const imagesAreWhole = ({ family, gated }: VisionShape): boolean =>
  gated?.isWhole ?? family === 'siglip';

/** An image of the size that most requests have, by which the speed of a computer is judged. */
export const USUAL_IMAGE: ImageSize = { width: 1_024, height: 1_024 };

/** Most tokens of an image for which memory is kept and whose time is limited. */
export const MOST_TOKENS = 4_096;

/** Memory for the numbers of the largest image while it is computed, in bytes. */
export function bytesOfImage(shape: VisionShape): number {
  const { pooled } = shape;
  const ofPatch = numbersBesidePatch(shape) + 2 * numbersOfPatch(shape);
  const tokens = mostTokens(shape);
  return Float32Array.BYTES_PER_ELEMENT * tokens * (pooled ** 2 * ofPatch + numbersOfToken(shape));
}

function mostTokens(shape: VisionShape): number {
  const { scaling } = shape;
  if (scaling.kind === 'budget') return scaling.tokens;
  return scaling.kind === 'square' ? tokensOfImage(shape, USUAL_IMAGE) : MOST_TOKENS;
}

/** Numbers that are kept for a patch while its layers are computed, beside those of its pixels. */
function numbersBesidePatch({ hidden, inner, heads, gated }: VisionShape): number {
  if (gated === undefined) return 9 * hidden + inner;
  return 4 * hidden + 5 * heads * gated.headDim + 3 * inner;
}

/** Number of multiplications for an image in the tower, of which all other work is a small part. */
export function operationsOf(shape: VisionShape, scaled: ImageSize): number {
  const { hidden, inner, layers, heads, pooled, deepLayers, family, gated } = shape;
  const patches = patchesOf(shape, scaled);
  const attended = gated ? heads * gated.headDim : hidden;
  const matrices = gated ? 3 : 2;
  const ofLayer = hidden * (4 * attended + matrices * inner) + 2 * attended * patches;
  const square = hidden * pooled ** 2;
  const ofToken =
    family !== 'qwen'
      ? hidden * shape.out
      : (1 + deepLayers.length) * square * (square + shape.out);
  return (
    patches * (hidden * numbersOfPatch(shape) + layers * ofLayer) +
    (patches / pooled ** 2) * ofToken
  );
}
