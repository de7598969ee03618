import { memoryForModels, thisMachine } from '../machine.ts';
import { readDecoderShape } from '../models/decoder-shape.ts';
import { isBert, readEncoderShape } from '../models/encoders/encoder-shape.ts';
import { isObject } from '../models/json.ts';
import { ModelError } from '../models/model-error.ts';

/** Whether a model can run on this machine, before its weights are downloaded. */
export interface Fit {
  /** Why the model cannot run here; undefined if it can. */
  readonly problem: string | undefined;
  readonly weightBytes: number;
  readonly memoryBytes: number;
  /**
   * Most tokens per second of one answer: each token reads the weights once, and the memory of the
   * chip limits how fast. Undefined for a mixture of experts, which reads only a part of them.
   */
  readonly mostTokensPerSecond: number | undefined;
}

/** Memory for a conversation beside the weights, as a share of them. */
const BESIDE_WEIGHTS = 0.1;
const BYTES_PER_GB = 1e9;

export function fitOf(config: Record<string, unknown>, weightBytes: number): Fit {
  const memoryBytes = memoryForModels();
  const measures = { weightBytes, memoryBytes, mostTokensPerSecond: speedOf(config, weightBytes) };
  try {
    if (isBert(config)) readEncoderShape(config);
    else readDecoderShape(config);
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    return { ...measures, problem: `No engine here runs it: ${error.message}.` };
  }
  const needed = weightBytes * (1 + BESIDE_WEIGHTS);
  return {
    ...measures,
    problem:
      needed > memoryBytes
        ? `It needs about ${gb(needed)} of memory, and this machine has ${gb(memoryBytes)} for models.`
        : undefined,
  };
}

function speedOf(config: Record<string, unknown>, weightBytes: number): number | undefined {
  // A model that also reads images describes its decoder in an object of its own.
  const decoder = isObject(config['text_config']) ? config['text_config'] : config;
  if (decoder['num_experts'] !== undefined || decoder['num_local_experts'] !== undefined)
    return undefined;
  return weightBytes === 0 ? undefined : (thisMachine().bandwidthGbps * BYTES_PER_GB) / weightBytes;
}

export const gb = (bytes: number): string =>
  bytes >= BYTES_PER_GB
    ? `${(bytes / BYTES_PER_GB).toFixed(1)} GB`
    : `${Math.ceil(bytes / 1e6)} MB`;
