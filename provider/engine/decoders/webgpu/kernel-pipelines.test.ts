import { afterAll, describe, expect, test, vi } from 'vitest';
import { openFixture } from '../decoder-under-test.ts';
import { openGpu } from './device.ts';
import { KernelPipelines } from './kernel-pipelines.ts';
import { loadDecoder } from './load-decoder.ts';

const gpu = await openGpu();
afterAll(() => {
  if ('device' in gpu) gpu.device.destroy();
  vi.restoreAllMocks();
});
/** A kernel that stores a number, so that another number is another kernel. */
const storing = (number: number) =>
  `@group(0) @binding(0) var<storage, read_write> to: array<u32>; @compute @workgroup_size(1) fn main() { to[0] = ${number}u; }`;

describe.skipIf('reason' in gpu)(
  `the kernels of a device${'reason' in gpu ? ` (${gpu.reason})` : ''}`,
  () => {
    if ('reason' in gpu) return;
    const { device, pipelines } = gpu;

    test('a second model of the same shape compiles none', async () => {
      const { model } = await openFixture('llama');
      const load = async () => {
        const options = { model, pages: 4, states: 1, maxTokens: 64 };
        await using _ = await loadDecoder(gpu, options);
      };
      await load();
      expect(pipelines.size).toBeGreaterThan(10);
      const compile = vi.spyOn(device, 'createShaderModule');
      await load();
      expect(compile).not.toHaveBeenCalled();
    });

    test('a kernel that fails is reported with its line, and tried again', async () => {
      const kept = new KernelPipelines(device);
      device.pushErrorScope('validation');
      for (const _ of [1, 2])
        await expect(kept.of('\nthis is no kernel')).rejects.toThrow(
          /^a kernel does not compile: line 2: /,
        );
      await device.popErrorScope();
      expect(kept.size).toBe(0);
    });

    test('only as many are kept as allowed, and those used last', async () => {
      const kept = new KernelPipelines(device, 2);
      const first = await kept.of(storing(1));
      const second = await kept.of(storing(2));
      expect(await kept.of(storing(1))).toBe(first);
      await kept.of(storing(3));
      expect(kept.size).toBe(2);
      expect(await kept.of(storing(1))).toBe(first);
      expect(await kept.of(storing(2))).not.toBe(second);
    });
  },
);
