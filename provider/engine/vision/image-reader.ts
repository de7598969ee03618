import { LruMap } from '#bus-schemas/lru-map.ts';
import { ImageDecoder } from '../../images/image-decoder.ts';
import type { VisionModel } from '../../models/vision/vision-model.ts';
import type { PlacedImage } from '../decoders/step.ts';
import { type Guard, IMAGE_LIMIT_MS } from '../guarded-work.ts';
import type { UnreadImage } from '../prompt-reader.ts';
import { loadTower } from './native-tower.ts';
import type { VisionTower } from './vision-tower.ts';

/** Most images whose embeddings are kept: those of one request. */
const MOST_KEPT = 16;
/** All models of a process decode one image at a time, so that memory is bounded. */
const decoder = new ImageDecoder();

/**
 * Makes the embeddings of images, and keeps the last ones: each request of a conversation has its
 * earlier images again. Only requests of the same scope share them, because the time of an answer would
 * reveal which images other customers have sent.
 */
export class ImageReader implements AsyncDisposable {
  readonly #side: number;
  readonly #tower: VisionTower;
  readonly #guard: Guard;
  readonly #kept = new LruMap<string, Float32Array>(MOST_KEPT);

  private constructor(side: number, tower: VisionTower, guard: Guard) {
    this.#side = side;
    this.#tower = tower;
    this.#guard = guard;
  }

  static async load(model: VisionModel, guard: Guard): Promise<ImageReader> {
    return new ImageReader(model.shape.side, await loadTower(model), guard);
  }

  /**
   * Returns undefined if the images are not wanted any more. Throws UnusableImage if a file cannot be
   * decoded.
   */
  async read(
    images: readonly UnreadImage[],
    { scope, isWanted }: { readonly scope: string; readonly isWanted: () => boolean },
  ): Promise<PlacedImage[] | undefined> {
    const placed: PlacedImage[] = [];
    for (const image of images) {
      if (!isWanted()) return undefined;
      const { at, tokens, digest } = image;
      const key = `${scope} ${digest}`;
      const embeddings = this.#kept.get(key) ?? (await this.#embed(image));
      this.#kept.set(key, embeddings);
      placed.push({ at, tokens, digest, embeddings });
    }
    return placed;
  }

  async #embed(image: UnreadImage): Promise<Float32Array> {
    const scaled = { width: this.#side, height: this.#side, filter: 'bilinear' } as const;
    const pixels = await decoder.decode(image, scaled);
    return this.#guard({ kind: 'image', limitMs: IMAGE_LIMIT_MS }, () => this.#tower.embed(pixels));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#tower[Symbol.asyncDispose]() as Promise<void>;
  }
}
