import type { Matrix } from './decoder-weights.ts';
import { FieldReader } from './field-reader.ts';
import { isObject, type JsonObject } from './json.ts';
import { ModelError } from './model-error.ts';
import type { Tensor, Tensors } from './safetensors.ts';

const BITS = [2, 3, 4, 5, 6, 8];
const GROUPS = [32, 64, 128];

interface Quantization {
  readonly mode: 'affine' | 'mxfp4';
  readonly bits: number;
  readonly group: number;
}

type QuantizationOf = (path: string) => Quantization | undefined;

const MXFP4: Quantization = { mode: 'mxfp4', bits: 4, group: 32 };

/**
 * Reads the bits and group size of quantized matrices. A matrix may have settings of its own under
 * its path; otherwise the general ones apply. As in mlx-lm, settings of its own that name no mode
 * mean the affine one. A matrix is quantized if it has a tensor of scales.
 */
function readQuantization(config: JsonObject): QuantizationOf {
  const about = config['quantization'] ?? config['quantization_config'];
  if (about === undefined || about === null) return () => undefined;
  if (!isObject(about))
    throw new ModelError('malformed_config', 'config.json.quantization is not an object');
  if (about['quant_method'] === 'mxfp4') return () => MXFP4;
  return (path) => {
    const own = about[path];
    const fields = isObject(own) ? { ...about, mode: 'affine', ...own } : about;
    const place = isObject(own) ? `config.json.quantization.${path}` : 'config.json.quantization';
    return readSettings(fields, place);
  };
}

function readSettings(fields: JsonObject, place: string): Quantization {
  const reader = new FieldReader(fields, place);
  const mode = reader.text('mode', ['affine', 'mxfp4'], { or: 'affine' as const });
  const bits = reader.integer('bits');
  const group = reader.integer('group_size');
  if (mode === 'mxfp4' && (bits !== MXFP4.bits || group !== MXFP4.group))
    throw new ModelError(
      'malformed_config',
      `${place} has ${bits} bits in groups of ${group}, but MXFP4 has 4 bits in groups of 32`,
    );
  if (mode === 'affine' && !(BITS.includes(bits) && GROUPS.includes(group)))
    throw new ModelError(
      'unsupported_architecture',
      `${place} has ${bits} bits in groups of ${group}; supported are ${BITS} bits in groups of ${GROUPS}`,
    );
  return { mode, bits, group };
}

interface Wanted {
  readonly out: number;
  readonly in: number;
  readonly count?: number;
  /** True if the tensors have a dimension for the count; by default, if it is above 1. */
  readonly isStacked?: boolean;
  /** Without it, a matrix may have a bias. */
  readonly requiresBias?: boolean;
  readonly mayBeMxfp4?: boolean;
}

/** Finds the tensors of matrices and vectors by their paths, and checks their sizes and types. */
export class WeightFinder {
  readonly #tensors: Tensors;
  readonly #quantizationOf: QuantizationOf;
  readonly #prefix: string;

  constructor(tensors: Tensors, config: JsonObject, prefix: string) {
    this.#tensors = tensors;
    this.#quantizationOf = readQuantization(config);
    this.#prefix = prefix;
  }

  has(name: string): boolean {
    return this.#tensors.has(this.#prefix + name);
  }

  /** The dimensions of a tensor, if there is one of this name. */
  shapeOf(name: string): readonly number[] | undefined {
    return this.#tensors.get(this.#prefix + name)?.shape;
  }

  /** Finds matrices in a tensor that has the name of a parameter, and no quantization. */
  stacked(
    name: string,
    { out, in: width, count }: { out: number; in: number; count: number },
  ): Matrix {
    return { out, in: width, count, weight: this.tensor(name, [count, out, width]) };
  }

  vector(path: string, size: number): Tensor {
    return this.tensor(`${path}.weight`, [size]);
  }

  matrix(
    path: string,
    { out, in: width, count = 1, isStacked = count > 1, requiresBias, mayBeMxfp4 }: Wanted,
  ): Matrix {
    const rows = isStacked ? [count, out] : [out];
    const common = {
      out,
      in: width,
      count,
      ...((requiresBias || this.has(`${path}.bias`)) && {
        bias: this.tensor(`${path}.bias`, rows),
      }),
    };
    if (!this.has(`${path}.scales`))
      return { ...common, weight: this.tensor(`${path}.weight`, [...rows, width]) };
    const quantization = this.#quantizationOf(this.#prefix + path);
    if (quantization === undefined)
      throw new ModelError(
        'malformed_config',
        `${path} is quantized, but config.json has no quantization`,
      );
    const { mode, bits, group } = quantization;
    if (mode === 'mxfp4' && !mayBeMxfp4)
      throw new ModelError(
        'malformed_config',
        `${path} has the mode mxfp4, which is supported for the experts of gpt-oss alone`,
      );
    if (width % group !== 0)
      throw new ModelError(
        'wrong_shape',
        `${path}: the width of ${width} is not a multiple of the group size ${group}`,
      );
    const weight = this.tensor(`${path}.weight`, [...rows, (width * bits) / 32], ['U32']);
    const ofGroups = (name: string, types?: readonly string[]) =>
      this.tensor(`${path}.${name}`, [...rows, width / group], types);
    return {
      ...common,
      weight,
      quantized:
        mode === 'mxfp4'
          ? { bits, group, scales: ofGroups('scales', ['U8']) }
          : { bits, group, scales: ofGroups('scales'), biases: ofGroups('biases') },
    };
  }

  /** Finds a matrix that holds the rows of several ones, and returns these in their order. */
  matrices<Rows extends readonly number[]>(
    path: string,
    { rows, in: width }: { rows: Rows; in: number },
  ): { [Index in keyof Rows]: Matrix } {
    const whole = this.matrix(path, { out: rows.reduce((sum, n) => sum + n, 0), in: width });
    let first = 0;
    return rows.map((out) => {
      const part = rowsOf(whole, { first, out });
      first += out;
      return part;
    }) as { [Index in keyof Rows]: Matrix };
  }

  tensor(
    name: string,
    shape: readonly number[],
    types: readonly string[] = ['F32', 'F16', 'BF16'],
  ): Tensor {
    const tensor = this.#tensors.get(this.#prefix + name);
    if (tensor === undefined) throw new ModelError('missing_weight', this.#prefix + name);
    if (tensor.shape.length !== shape.length || tensor.shape.some((size, i) => size !== shape[i])) {
      throw new ModelError(
        'wrong_shape',
        `${name} is ${tensor.shape.join('×')} but must be ${shape.join('×')}`,
      );
    }
    if (!types.includes(tensor.type))
      throw new ModelError(
        'wrong_shape',
        `${name} has the type ${tensor.type} but must have ${types.join(' or ')}`,
      );
    return tensor;
  }
}

/** Returns `out` rows of a matrix that is not stacked, from row `first` on. */
function rowsOf(whole: Matrix, { first, out }: { first: number; out: number }): Matrix {
  const part = (tensor: Tensor): Tensor => {
    const [, ...rest] = tensor.shape;
    const rowBytes = tensor.bytes / whole.out;
    return {
      ...tensor,
      shape: [out, ...rest],
      offset: tensor.offset + first * rowBytes,
      bytes: out * rowBytes,
    };
  };
  const { quantized, bias } = whole;
  return {
    ...whole,
    out,
    weight: part(whole.weight),
    ...(bias && { bias: part(bias) }),
    ...(quantized && {
      quantized: {
        ...quantized,
        scales: part(quantized.scales),
        ...(quantized.biases && { biases: part(quantized.biases) }),
      },
    }),
  };
}
