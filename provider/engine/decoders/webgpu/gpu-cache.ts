/**
 * The cache is resized in blocks of this many pages, because each resize copies the whole cache.
 */
const BLOCK_PAGES = 16;

interface CacheSize {
  /** Maximum number of pages. */
  readonly pages: number;
  readonly layers: number;
  /** Size in bytes of one page of one layer's keys. A page of its values has the same size. */
  readonly pageBytes: number;
}

/**
 * One layer's keys or values. A bind group with `buffer` must be recreated when the cache's version
 * changes.
 */
export class CacheBuffer {
  readonly cache: GpuCache;
  buffer: GPUBuffer;

  constructor(cache: GpuCache, buffer: GPUBuffer) {
    this.cache = cache;
    this.buffer = buffer;
  }
}

/** Keys and values on the device. The buffers grow and shrink with the number of pages in use. */
export class GpuCache {
  readonly #device: GPUDevice;
  readonly #size: CacheSize;
  readonly #buffers: CacheBuffer[];
  #pages: number;
  /** Incremented whenever the buffers are replaced. */
  version = 0;

  constructor(device: GPUDevice, size: CacheSize) {
    this.#device = device;
    this.#size = size;
    this.#pages = this.#wholeBlocks(1);
    this.#buffers = Array.from(
      { length: 2 * size.layers },
      () => new CacheBuffer(this, this.#create(this.#pages)),
    );
  }

  get bytes(): number {
    return this.#buffers.length * this.#pages * this.#size.pageBytes;
  }

  layer(index: number): { keys: CacheBuffer; values: CacheBuffer } {
    return {
      keys: this.#buffers[2 * index] as CacheBuffer,
      values: this.#buffers[2 * index + 1] as CacheBuffer,
    };
  }

  /**
   * Makes room for `pages` pages. It grows by at least half, so that a growing cache is copied only
   * a few times.
   */
  async grow(pages: number): Promise<void> {
    if (pages > this.#pages)
      await this.#resize(this.#wholeBlocks(Math.max(pages, Math.floor(1.5 * this.#pages))));
  }

  /** Frees the memory beyond the first `pages` pages, in whole blocks. */
  async shrink(pages: number): Promise<void> {
    const wanted = this.#wholeBlocks(Math.max(1, pages));
    if (wanted < this.#pages) await this.#resize(wanted);
  }

  async #resize(pages: number): Promise<void> {
    const { queue } = this.#device;
    const copiedBytes = Math.min(pages, this.#pages) * this.#size.pageBytes;
    this.#device.pushErrorScope('out-of-memory');
    // The buffers are copied one after the other, so that only one of them exists twice at a time.
    for (const cached of this.#buffers) {
      const made = this.#create(pages);
      const encoder = this.#device.createCommandEncoder();
      encoder.copyBufferToBuffer(cached.buffer, 0, made, 0, copiedBytes);
      queue.submit([encoder.finish()]);
      cached.buffer.destroy();
      cached.buffer = made;
      await queue.onSubmittedWorkDone();
    }
    this.#pages = pages;
    this.version += 1;
    const failure = await this.#device.popErrorScope();
    if (failure !== null)
      throw new Error(`the device has no memory for the cache: ${failure.message}`);
  }

  #create(pages: number): GPUBuffer {
    return this.#device.createBuffer({
      size: pages * this.#size.pageBytes,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
    });
  }

  #wholeBlocks(pages: number): number {
    return Math.min(this.#size.pages, Math.ceil(pages / BLOCK_PAGES) * BLOCK_PAGES);
  }

  destroy(): void {
    for (const { buffer } of this.#buffers) buffer.destroy();
  }
}
