import type { DecoderShape, Family } from '../../models/decoder-shape.ts';
import { ModelError } from '../../models/model-error.ts';
import type { BackendName } from '../backend-names.ts';

/** The families that a backend does not compute yet. */
const MISSING: Partial<Record<BackendName, readonly Family[]>> = {
  webgpu: ['gpt_oss'],
};

/** Throws ModelError if the backend does not compute models of this family yet. */
export function requireFamily(backend: BackendName, { family }: DecoderShape): void {
  if (MISSING[backend]?.includes(family))
    throw new ModelError(
      'unsupported_architecture',
      `the engine ${backend} does not compute ${family} yet; --engine mlx, cpu and reference do`,
    );
}
