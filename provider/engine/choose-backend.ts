import { BACKENDS, type BackendName } from './backend-names.ts';
import type { Backend, BackendOrReason } from './decoders/decoder.ts';
import { createCpuBackend, createMlxBackend } from './decoders/native-decoder.ts';
import { createReferenceBackend } from './decoders/reference-decoder.ts';
import { createWebGpuBackend } from './decoders/webgpu/device.ts';

/**
 * A backend that was tried, and whether it runs on this machine. `detail` is its device, or the
 * reason why not.
 */
interface Candidate {
  readonly name: BackendName;
  readonly detail: string;
  readonly runs: boolean;
}

export interface BackendChoice {
  readonly backend: Backend;
  readonly candidates: readonly Candidate[];
}

const RANKS: readonly string[] = [
  'mlx',
  'webgpu',
  'cpu',
  'webgpu in software',
  'mlx in software',
  'reference',
];
const isSoftware = (made: BackendOrReason): boolean => 'backend' in made && made.backend.isSoftware;

/**
 * Opens the best backend that runs here: MLX, then WebGPU on a GPU, then the processor, then WebGPU
 * or MLX computing in software, then plain TypeScript. If only `wanted` is tried and does not run,
 * the error contains the reason.
 */
export async function chooseBackend(wanted?: BackendName): Promise<BackendChoice> {
  const candidates: Candidate[] = [];
  const ready: { backend: Backend; rank: number }[] = [];
  for (const name of BACKENDS) {
    if (wanted !== undefined && name !== wanted) continue;
    const made = await creators[name]();
    candidates.push(
      'reason' in made
        ? { name, detail: made.reason, runs: false }
        : { name, detail: made.backend.device, runs: true },
    );
    if (!('reason' in made))
      ready.push({
        backend: made.backend,
        rank: RANKS.indexOf(isSoftware(made) ? `${name} in software` : name),
      });
  }
  const [best, ...rest] = ready.sort((a, b) => a.rank - b.rank);
  for (const { backend } of rest) await backend[Symbol.asyncDispose]();
  if (best === undefined)
    throw new Error(candidates.map(({ name, detail }) => `${name}: ${detail}`).join('; '));
  return { backend: best.backend, candidates };
}

const creators = {
  mlx: async () => createMlxBackend(),
  webgpu: createWebGpuBackend,
  cpu: async () => createCpuBackend(),
  reference: async () => ({ backend: createReferenceBackend() }),
} as const;
