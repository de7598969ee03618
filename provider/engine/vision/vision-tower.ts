import type { Pixels } from '../../images/scale-image.ts';

/** The vision tower of a model in memory. It computes one image at a time; further ones wait. */
export interface VisionTower extends AsyncDisposable {
  /** Name of the implementation, for the log. */
  readonly name: string;
  /** Computes the numbers of an image's tokens, one token after the other, from its scaled pixels. */
  embed(pixels: Pixels): Promise<Float32Array<ArrayBuffer>>;
}
