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

interface ReaderOptions {
  readonly guard: Guard;
  readonly clock: () => number;
}

/**
 * Makes the embeddings of images, and keeps the last ones: each request of a conversation has its
 * earlier images again. Only requests of the same scope share them, because the time of an answer would
 * reveal which images other customers have sent.
 */
export class ImageReader implements AsyncDisposable {
  readonly #side: number;
  readonly #tower: VisionTower;
  readonly #options: ReaderOptions;
  readonly #kept = new LruMap<string, Float32Array>(MOST_KEPT);
  /** Shortest time of an image so far, in milliseconds; 0 before the first one. */
  #leastMs = 0;
  /** Number of images that are computed or wait for it. */
  #unread = 0;

  private constructor(side: number, tower: VisionTower, options: ReaderOptions) {
    this.#side = side;
    this.#tower = tower;
    this.#options = options;
  }

  static async load(model: VisionModel, options: ReaderOptions): Promise<ImageReader> {
    return new ImageReader(model.shape.side, await loadTower(model), options);
  }

  /** Minimum time in milliseconds until these images and those before them are computed. */
  leastWaitMs(images: readonly UnreadImage[], scope: string): number {
    const fresh = images.filter(({ digest }) => this.#kept.get(keyOf(scope, digest)) === undefined);
    return fresh.length === 0 ? 0 : (this.#unread + fresh.length) * this.#leastMs;
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
      const key = keyOf(scope, digest);
      const embeddings = this.#kept.get(key) ?? (await this.#embed(image));
      this.#kept.set(key, embeddings);
      placed.push({ at, tokens, digest, embeddings });
    }
    return placed;
  }

  async #embed(image: UnreadImage): Promise<Float32Array> {
    const { guard, clock } = this.#options;
    const scaled = { width: this.#side, height: this.#side, filter: 'bilinear' } as const;
    this.#unread += 1;
    try {
      const pixels = await decoder.decode(image, scaled);
      const began = clock();
      const embeddings = await guard({ kind: 'image', limitMs: IMAGE_LIMIT_MS }, () =>
        this.#tower.embed(pixels),
      );
      const tookMs = clock() - began;
      this.#leastMs = this.#leastMs === 0 ? tookMs : Math.min(this.#leastMs, tookMs);
      return embeddings;
    } finally {
      this.#unread -= 1;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#tower[Symbol.asyncDispose]() as Promise<void>;
  }
}

const keyOf = (scope: string, digest: string): string => `${scope} ${digest}`;
