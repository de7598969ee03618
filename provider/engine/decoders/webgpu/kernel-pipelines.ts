import { LruMap } from '#bus-schemas/lru-map.ts';

/** A model with states, experts and a draft head has about 80 kernels. */
const MOST_KEPT = 512;

/**
 * The kernels of a device, compiled once for all models that it loads: one after the other, and at
 * once. They are found by their whole source text.
 */
export class KernelPipelines {
  readonly #device: GPUDevice;
  readonly #kept: LruMap<string, Promise<GPUComputePipeline>>;

  constructor(device: GPUDevice, mostKept = MOST_KEPT) {
    this.#device = device;
    this.#kept = new LruMap(mostKept);
  }

  get size(): number {
    return this.#kept.size;
  }

  of(code: string): Promise<GPUComputePipeline> {
    const known = this.#kept.get(code);
    if (known) return known;
    const made = this.#compile(code);
    this.#kept.set(code, made);
    // The next load tries again, for example after the device had too little memory.
    made.catch(() => this.#kept.delete(code));
    return made;
  }

  async #compile(code: string): Promise<GPUComputePipeline> {
    const module = this.#device.createShaderModule({ code });
    try {
      return await this.#device.createComputePipelineAsync({ layout: 'auto', compute: { module } });
    } catch (cause) {
      const { messages } = await module.getCompilationInfo();
      throw new Error(
        `a kernel does not compile: ${messages.map(({ lineNum, message }) => `line ${lineNum}: ${message}`).join('; ')}`,
        { cause },
      );
    }
  }
}
