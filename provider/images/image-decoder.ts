import { Worker } from 'node:worker_threads';
import { type InlineImage, UnusableImage } from '#http-api/core/images/inline-image.ts';
import type { ImageAnswer, ImageTask } from './image-thread.ts';
import type { Pixels, Scaled } from './scale-image.ts';

/** Longest time for one image, in milliseconds. */
const LIMIT_MS = 10_000;

/**
 * Decodes and scales images, one after another, each in a thread of its own that ends with it. A file
 * that crashes a decoder or makes it endless ends only its thread, and no memory of a thread is used
 * for the image of another customer.
 */
export class ImageDecoder {
  readonly #limitMs: number;
  #last: Promise<unknown> = Promise.resolve();

  constructor({ limitMs = LIMIT_MS } = {}) {
    this.#limitMs = limitMs;
  }

  /**
   * Returns the pixels of an image in its new size. Throws UnusableImage if the file cannot be decoded.
   */
  decode(image: InlineImage, scaled: Scaled): Promise<Pixels> {
    const { type, bytes, width, height } = image;
    if (type === 'gif')
      throw new UnusableImage(
        'unreadable',
        'This model reads PNG, JPEG and WebP images, and no GIF.',
      );
    const task = { type, file: bytes, size: { width, height }, scaled };
    const decoded = this.#last.then(() => this.#inThread(task));
    this.#last = decoded.catch(() => undefined);
    return decoded;
  }

  async #inThread(task: ImageTask): Promise<Pixels> {
    const worker = new Worker(new URL('./image-thread.ts', import.meta.url), {
      // The output of a codec may quote the image, which is private, so it is discarded.
      stdout: true,
      stderr: true,
    });
    worker.stdout.resume();
    worker.stderr.resume();
    const { promise, resolve } = Promise.withResolvers<ImageAnswer>();
    const isOver = () => resolve({ ok: false, why: 'the decoder has ended' });
    worker.once('message', resolve).once('error', isOver).once('exit', isOver);
    const timer = setTimeout(
      () => resolve({ ok: false, why: `it was not decoded within ${this.#limitMs} ms` }),
      this.#limitMs,
    );
    try {
      worker.postMessage(task);
      const answer = await promise;
      if (answer.ok) return answer.pixels;
      throw new UnusableImage(
        'unreadable',
        'An image is damaged, or has a form that is not supported.',
        {
          cause: answer.why,
        },
      );
    } finally {
      clearTimeout(timer);
      await worker.terminate();
    }
  }
}
