import { afterAll, describe, expect, test, vi } from 'vitest';
import { openGpu } from './device.ts';
import { Dispatches } from './dispatches.ts';
import type { Format } from './gpu-weights.ts';

/**
 * Products as a real GPU computes them, whose threads have eight rows each. The tests of decoders run
 * in software, where they have two.
 */
const WIDTH = 64;
const INPUTS = 3;
const GROUP = 32;
const dense: Format = { bits: 0, group: 0, type: 'F32' };
const halves: Format = { bits: 0, group: 0, type: 'F16' };
const rounded: Format = { bits: 4, group: GROUP, type: 'F32' };
const NONE = {
  outputs: 0,
  slots: 0,
  decodeRows: 0,
  prefillRuns: 0,
  stateRuns: 0,
  isChained: false,
  imageTokens: 0,
};

// A driver that runs on the processor needs a long time to compile kernels for the first time.
vi.setConfig({ testTimeout: 180_000 });

const gpu = await openGpu();
afterAll(() => {
  if ('device' in gpu) gpu.device.destroy();
});

/** Numbers that 32 bits hold exactly, and their sums too. */
const numbers = (count: number, factor: number) =>
  Float32Array.from({ length: count }, (_, i) => ((i * factor) % 17) - 8);

/** The 16 bits of a small whole number as a floating-point number. */
function half(number: number): number {
  if (number === 0) return 0;
  const exponent = Math.floor(Math.log2(Math.abs(number)));
  const fraction = Math.abs(number) / 2 ** exponent - 1;
  return (number < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | (fraction * 1024);
}

describe.skipIf('reason' in gpu)(
  `the product of a matrix and inputs${'reason' in gpu ? ` (${gpu.reason})` : ''}`,
  () => {
    test.each([
      ['plain numbers', dense, 16],
      ['plain numbers, and a last thread with fewer rows', dense, 20],
      ['numbers of 16 bits', halves, 16],
      ['four bits', rounded, 20],
    ])('of %s is that of its numbers', async (_, format, rows) => {
      if ('reason' in gpu) return;
      const { device } = gpu;
      const buffer = (data: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>) => {
        const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
        const made = device.createBuffer({ size: data.byteLength, usage });
        device.queue.writeBuffer(made, 0, data);
        return made;
      };
      const inputs = numbers(INPUTS * WIDTH, 5);
      const plain = numbers(rows * WIDTH, 7);
      const words = Uint32Array.from({ length: (rows * WIDTH) / 8 }, (_, i) => i * 2_654_435_761);
      const pairs = new Uint32Array(Uint16Array.from(plain, half).buffer);
      const scales = numbers((rows * WIDTH) / GROUP, 3);
      const biases = numbers((rows * WIDTH) / GROUP, 11);
      const isRounded = format.bits > 0;
      const weightOf = (at: number): number => {
        if (!isRounded) return plain[at] as number;
        const group = Math.floor(at / GROUP);
        const four = ((words[at >> 3] as number) >>> (4 * (at % 8))) & 15;
        return four * (scales[group] as number) + (biases[group] as number);
      };

      const dispatches = new Dispatches({ ...gpu, isSoftware: false }, () => {});
      const to = buffer(new Float32Array(INPUTS * rows));
      const part = {
        format,
        in: WIDTH,
        rows,
        firstRow: 0,
        weight: buffer(isRounded ? words : format === halves ? pairs : plain),
        scales: isRounded ? buffer(scales) : undefined,
        biases: isRounded ? buffer(biases) : undefined,
        bias: undefined,
      };
      await dispatches.multiply([part], { from: buffer(inputs), to, stride: rows });
      device.queue.writeBuffer(dispatches.uniform, 0, Uint32Array.of(INPUTS, 0, 0, 0, 0, 0, 0));
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      for (const operation of dispatches.programs.step) {
        const { pipeline, bindings, groups } = operation({ ...NONE, tokens: INPUTS });
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, bindings);
        pass.dispatchWorkgroups(...groups);
      }
      pass.end();
      const read = device.createBuffer({
        size: to.size,
        usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
      });
      encoder.copyBufferToBuffer(to, 0, read, 0, to.size);
      device.queue.submit([encoder.finish()]);
      await read.mapAsync(GPUMapMode.READ);

      const expected = Array.from({ length: INPUTS * rows }, (_, i) => {
        const [input, row] = [Math.floor(i / rows), i % rows];
        let sum = 0;
        for (let column = 0; column < WIDTH; column += 1)
          sum += weightOf(row * WIDTH + column) * (inputs[input * WIDTH + column] as number);
        return sum;
      });
      expect([...new Float32Array(read.getMappedRange())]).toEqual(expected);
    });
  },
);
