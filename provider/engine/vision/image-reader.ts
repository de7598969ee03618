import { LruMap } from '#bus-schemas/lru-map.ts';
import { ImageDecoder } from '../../images/image-decoder.ts';
import type { VisionModel } from '../../models/vision/vision-model.ts';
import {
  operationsOf,
  scaledFor,
  standingOf,
  type VisionShape,
} from '../../models/vision/vision-shape.ts';
import type { PlacedImage } from '../decoders/step.ts';
import { type Guard, IMAGE_LIMIT_MS } from '../guarded-work.ts';
import type { UnreadImage } from '../prompt-reader.ts';
import { loadTower } from './native-tower.ts';
import type { VisionTower } from './vision-tower.ts';

/** Most images whose embeddings are kept, and most bytes of all of them: those of one request. */
const MOST_KEPT = 16;
const MOST_KEPT_BYTES = 128e6;

/** An image without its place in a prompt. */
type ReadImage = Omit<PlacedImage, 'at' | 'tokens' | 'digest'>;

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
  readonly #shape: VisionShape;
  readonly #tower: VisionTower;
  readonly #options: ReaderOptions;
  readonly #kept = new LruMap<string, ReadImage>(MOST_KEPT);
  /** Shortest time of an operation so far, in milliseconds; 0 before the first image. */
  #leastMs = 0;
  /** Operations of the images that are computed or wait for it. */
  #unread = 0;

  private constructor(shape: VisionShape, tower: VisionTower, options: ReaderOptions) {
    this.#shape = shape;
    this.#tower = tower;
    this.#options = options;
  }

  static async load(model: VisionModel, options: ReaderOptions): Promise<ImageReader> {
    return new ImageReader(model.shape, await loadTower(model), options);
  }

  /** Minimum time in milliseconds until these images and those before them are computed. */
  leastWaitMs(images: readonly UnreadImage[], scope: string): number {
    const fresh = images.filter(({ digest }) => this.#kept.get(keyOf(scope, digest)) === undefined);
    if (fresh.length === 0) return 0;
    const operations = fresh.reduce((sum, image) => sum + this.#operationsOf(image), 0);
    return (this.#unread + operations) * this.#leastMs;
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
      const read = this.#kept.get(key) ?? (await this.#embed(image));
      this.#keep(key, read);
      placed.push({ at, tokens, digest, ...read });
    }
    return placed;
  }

  #keep(key: string, image: ReadImage): void {
    this.#kept.set(key, image);
    let bytes = 0;
    for (const { embeddings } of this.#kept.values()) bytes += embeddings.byteLength;
    for (const [oldest, { embeddings }] of this.#kept) {
      if (bytes <= MOST_KEPT_BYTES) return;
      this.#kept.delete(oldest);
      bytes -= embeddings.byteLength;
    }
  }

  #operationsOf(image: UnreadImage): number {
    return operationsOf(this.#shape, scaledFor(this.#shape, image));
  }

  async #embed(image: UnreadImage): Promise<ReadImage> {
    const { guard, clock } = this.#options;
    const operations = this.#operationsOf(image);
    this.#unread += operations;
    try {
      const pixels = await decoder.decode(image, scaledFor(this.#shape, image));
      const began = clock();
      const embeddings = await guard({ kind: 'image', limitMs: IMAGE_LIMIT_MS }, () =>
        this.#tower.embed(pixels),
      );
      const ms = (clock() - began) / operations;
      this.#leastMs = this.#leastMs === 0 ? ms : Math.min(this.#leastMs, ms);
      return { embeddings, ...standingOf(this.#shape, pixels) };
    } finally {
      this.#unread -= operations;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#tower[Symbol.asyncDispose]() as Promise<void>;
  }
}

const keyOf = (scope: string, digest: string): string => `${scope} ${digest}`;
