import { availableParallelism } from 'node:os';
import { type BackendOrReason, wholeNumbers } from '../decoder.ts';
import { KernelPipelines } from './kernel-pipelines.ts';
import { loadDecoder } from './load-decoder.ts';

/** An open WebGPU device with its name and kind. */
export interface Gpu {
  readonly device: GPUDevice;
  readonly pipelines: KernelPipelines;
  readonly name: string;
  /** True if the driver computes on the processor. */
  readonly isSoftware: boolean;
}

/** Dawn's instance. It is never released, because its devices stop working when it is collected. */
let instance: GPU | undefined;

const SOFTWARE = /llvmpipe|swiftshader|lavapipe|software|basic render/i;

/**
 * Opens WebGPU through Dawn on the first adapter that the machine's drivers offer. If the device is
 * lost, the next load of a model opens a new one.
 */
export async function createWebGpuBackend(): Promise<BackendOrReason> {
  const first = await openGpu();
  if ('reason' in first) return first;
  let gpu = first;
  let isLost = false;
  const watch = () =>
    void gpu.device.lost.then(() => {
      isLost = true;
    });
  watch();
  const { name, isSoftware } = gpu;
  return {
    backend: {
      name: 'webgpu',
      isSoftware,
      device: isSoftware ? `${name}, in software on ${availableParallelism()} cores` : name,
      maxBufferBytes: gpu.device.limits.maxStorageBufferBindingSize,
      cacheNumberBytes: wholeNumbers,
      load: async (options) => {
        if (isLost) {
          const again = await openGpu();
          if ('reason' in again) throw new Error(again.reason);
          gpu = again;
          isLost = false;
          watch();
        }
        return loadDecoder(gpu, options);
      },
      [Symbol.asyncDispose]: async () => {
        if (isLost) return;
        await gpu.device.queue.onSubmittedWorkDone();
        gpu.device.destroy();
        await gpu.device.lost;
      },
    },
  };
}

export async function openGpu(): Promise<Gpu | { readonly reason: string }> {
  let adapter: GPUAdapter | null;
  try {
    const { create, globals } = await import('webgpu');
    Object.assign(globalThis, globals);
    instance ??= create([]);
    adapter = await instance.requestAdapter({ powerPreference: 'high-performance' });
  } catch (error) {
    return {
      reason: `the package "webgpu" does not run on this machine: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`,
    };
  }
  if (adapter === null)
    return { reason: 'no driver for Vulkan, Metal or Direct3D offers an adapter' };
  const { limits, info } = adapter;
  const device = await adapter.requestDevice({
    requiredLimits: {
      maxBufferSize: limits.maxBufferSize,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxStorageBuffersPerShaderStage: Math.min(limits.maxStorageBuffersPerShaderStage, 8),
    },
  });
  const name = info.description || info.device || `${info.vendor} ${info.architecture}`;
  return {
    device,
    pipelines: new KernelPipelines(device),
    name: name.split(' (')[0] ?? name,
    isSoftware: SOFTWARE.test(`${info.description} ${info.device} ${info.architecture}`),
  };
}
