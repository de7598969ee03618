interface CacheSize {
  /** Maximum number of pages, or of state slots. */
  readonly units: number;
  /** The cache is resized in blocks of this many units, because each resize copies the whole cache. */
  readonly block: number;
  /** Size in bytes of one unit in each buffer. */
  readonly unitBytes: readonly number[];
}

/**
 * One layer's keys, values or states. A bind group with `buffer` must be recreated when the cache's version
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

/**
 * Keys and values, or states, on the device. The buffers grow and shrink with the number of pages or
 * state slots in use.
 */
export class GpuCache {
  readonly #device: GPUDevice;
  readonly #size: CacheSize;
  readonly #buffers: CacheBuffer[];
  #units: number;
  /** Incremented whenever the buffers are replaced. */
  version = 0;

  constructor(device: GPUDevice, size: CacheSize) {
    this.#device = device;
    this.#size = size;
    this.#units = this.#wholeBlocks(1);
    this.#buffers = size.unitBytes.map(
      (bytes) => new CacheBuffer(this, this.#create(bytes * this.#units)),
    );
  }

  get bytes(): number {
    return this.#units * this.unitBytes;
  }

  /** Size in bytes of one unit, over all buffers. */
  get unitBytes(): number {
    return this.#size.unitBytes.reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Where a unit is in each buffer. */
  partsOf(unit: number): { buffer: GPUBuffer; offset: number; bytes: number }[] {
    return this.#buffers.map(({ buffer }, index) => {
      const bytes = this.#size.unitBytes[index] as number;
      return { buffer, offset: bytes * unit, bytes };
    });
  }

  buffer(index: number): CacheBuffer {
    return this.#buffers[index] as CacheBuffer;
  }

  /**
   * Makes room for `units` pages or slots. It grows by at least half, so that a growing cache is copied only
   * a few times.
   */
  async grow(units: number): Promise<void> {
    if (units > this.#units)
      await this.#resize(this.#wholeBlocks(Math.max(units, Math.floor(1.5 * this.#units))));
  }

  /** Frees the memory beyond the first `units` pages or slots, in whole blocks. */
  async shrink(units: number): Promise<void> {
    const wanted = this.#wholeBlocks(Math.max(1, units));
    if (wanted < this.#units) await this.#resize(wanted);
  }

  async #resize(units: number): Promise<void> {
    const { queue } = this.#device;
    const copied = Math.min(units, this.#units);
    this.#device.pushErrorScope('out-of-memory');
    // The buffers are copied one after the other, so that only one of them exists twice at a time.
    for (const [index, cached] of this.#buffers.entries()) {
      const bytes = this.#size.unitBytes[index] as number;
      const made = this.#create(bytes * units);
      const encoder = this.#device.createCommandEncoder();
      encoder.copyBufferToBuffer(cached.buffer, 0, made, 0, bytes * copied);
      queue.submit([encoder.finish()]);
      cached.buffer.destroy();
      cached.buffer = made;
      await queue.onSubmittedWorkDone();
    }
    this.#units = units;
    this.version += 1;
    const failure = await this.#device.popErrorScope();
    if (failure !== null)
      throw new Error(`the device has no memory for the cache: ${failure.message}`);
  }

  #create(size: number): GPUBuffer {
    return this.#device.createBuffer({
      size,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
    });
  }

  #wholeBlocks(units: number): number {
    const { block } = this.#size;
    return Math.min(this.#size.units, Math.ceil(units / block) * block);
  }

  destroy(): void {
    for (const { buffer } of this.#buffers) buffer.destroy();
  }
}
