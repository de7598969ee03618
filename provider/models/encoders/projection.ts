import type { Matrix } from '../decoder-weights.ts';
import { FieldReader } from '../field-reader.ts';
import type { JsonObject } from '../json.ts';
import { ModelError } from '../model-error.ts';
import type { ModelFolder } from '../model-folder.ts';
import { readTensors, type Tensors } from '../safetensors.ts';
import { WeightFinder } from '../weight-finder.ts';

/** A dense layer after pooling. */
export interface Projection {
  readonly matrix: Matrix;
  readonly activation: 'none' | 'tanh';
}

const ACTIVATIONS = {
  'torch.nn.modules.linear.Identity': 'none',
  'torch.nn.modules.activation.Tanh': 'tanh',
} as const;
const MAX_WIDTH = 65_536;

interface ProjectionPlace {
  /** The folder of the step. */
  readonly module: string;
  /** Number of dense layers before this one. */
  readonly index: number;
  /** Size of the vector that it multiplies. */
  readonly width: number;
}

/** Finds a dense layer in a folder of its own, as sentence-transformers stores it. */
export async function readProjection(
  folder: ModelFolder,
  { module, index, width }: ProjectionPlace,
): Promise<Projection> {
  if (!(await folder.names()).includes(module)) return amongWeights(folder, { index, width });
  const own = await folder.within(module);
  const fields = new FieldReader(await own.json('config.json'), `${module}/config.json`);
  fields.integer('in_features', { min: width, max: width });
  const out = fields.integer('out_features', { max: MAX_WIDTH });
  const hasBias = fields.flag('bias', true);
  fields.text('module_input_name', ['sentence_embedding'], { or: undefined });
  fields.text('module_output_name', ['sentence_embedding'], { or: undefined });
  if (fields.flag('use_residual', false))
    throw new ModelError('unsupported_architecture', `${module} has use_residual`);
  const name = fields.text('activation_function', Object.keys(ACTIVATIONS) as Activation[]);
  const find = new WeightFinder(await readTensors(own), {}, '');
  return {
    matrix: find.matrix('linear', { out, in: width, requiresBias: hasBias }),
    activation: ACTIVATIONS[name],
  };
}

type Activation = keyof typeof ACTIVATIONS;

/**
 * Finds a dense layer among the weights of the model: mlx-embeddings writes `dense.0` and `dense.1`
 * in place of the folders of the steps. Those layers have neither biases nor activations.
 */
async function amongWeights(
  folder: ModelFolder,
  { index, width }: Omit<ProjectionPlace, 'module'>,
): Promise<Projection> {
  const tensors: Tensors = await readTensors(folder);
  const config: JsonObject = await folder.json('config.json');
  const path = `dense.${index}`;
  const find = new WeightFinder(tensors, config, '');
  const out = find.shapeOf(`${path}.weight`)?.[0];
  if (out === undefined) throw new ModelError('missing_weight', `${path}.weight`);
  if (out < 1 || out > MAX_WIDTH)
    throw new ModelError(
      'wrong_shape',
      `${path} has ${out} rows; from 1 to ${MAX_WIDTH} are supported`,
    );
  return { matrix: find.matrix(path, { out, in: width }), activation: 'none' };
}
