import { availableParallelism } from 'node:os';
import type { BackendOrReason } from '../backend-or-reason.ts';
import { loadDecoder } from './load-decoder.ts';

/** A device of WebGPU with what there is to know about it. */
export interface Gpu {
  readonly device: GPUDevice;
  readonly name: string;
  /** A driver that computes on the processor. */
  readonly isSoftware: boolean;
}

/** Dawn's instance, for as long as the process lives: devices do not survive its collection. */
let instance: GPU | undefined;

const SOFTWARE = /llvmpipe|swiftshader|lavapipe|software|basic render/i;

/** WebGPU through Dawn, on whatever adapter the machine's drivers offer first. */
export async function createWebGpuBackend(): Promise<BackendOrReason> {
  const gpu = await openGpu();
  if ('reason' in gpu) return gpu;
  const { device, name, isSoftware } = gpu;
  return {
    backend: {
      name: 'webgpu',
      isSoftware,
      device: isSoftware ? `${name}, in software on ${availableParallelism()} cores` : name,
      maxBufferBytes: device.limits.maxStorageBufferBindingSize,
      load: (options) => loadDecoder(gpu, options),
      [Symbol.asyncDispose]: async () => {
        await device.queue.onSubmittedWorkDone();
        device.destroy();
        await device.lost;
      },
    },
  };
}

async function openGpu(): Promise<Gpu | { readonly reason: string }> {
  let adapter: GPUAdapter | null;
  try {
    const { create, globals } = await import('webgpu');
    Object.assign(globalThis, globals);
    instance ??= create([]);
    adapter = await instance.requestAdapter({ powerPreference: 'high-performance' });
  } catch (error) {
    return { reason: `the package "webgpu" does not run here: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}` };
  }
  if (adapter === null) return { reason: 'no driver of Vulkan, Metal or Direct3D offers an adapter' };
  const { limits, info } = adapter;
  const device = await adapter.requestDevice({
    requiredLimits: {
      maxBufferSize: limits.maxBufferSize,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxStorageBuffersPerShaderStage: Math.min(limits.maxStorageBuffersPerShaderStage, 8),
    },
  });
  const name = info.description || info.device || `${info.vendor} ${info.architecture}`;
  return { device, name: name.split(' (')[0] ?? name, isSoftware: SOFTWARE.test(`${info.description} ${info.device} ${info.architecture}`) };
}
