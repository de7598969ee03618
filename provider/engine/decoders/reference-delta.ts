import { type DeltaShape, deltaChannels } from '../../models/decoder-shape.ts';
import { stateNumbers } from './decoder.ts';

/** The weights of a layer of Gated DeltaNet that are not matrices, as 32-bit numbers. */
export interface DeltaNumbers {
  readonly fadeBias: Float32Array;
  readonly fadeRate: Float32Array;
  /** By channel and then by token. */
  readonly convolution: Float32Array;
}

/** The state of one sequence in one layer. */
export interface DeltaState {
  /** A matrix for each value head; its rows are the numbers of a key, and its columns those of a value. */
  readonly memory: Float32Array<ArrayBuffer>;
  /** The last inputs of the convolution, the oldest first; each has all channels. */
  readonly inputs: Float32Array<ArrayBuffer>;
}

export function deltaState(shape: DeltaShape, from?: DeltaState): DeltaState {
  const inputs = (shape.convolution - 1) * deltaChannels(shape);
  return {
    memory: from?.memory.slice() ?? new Float32Array(stateNumbers(shape) - inputs),
    inputs: from?.inputs.slice() ?? new Float32Array(inputs),
  };
}

/** What the projections of one token computed. */
export interface DeltaInput {
  /** Queries, keys and values of all heads. */
  readonly channels: Float32Array;
  /** One number for each value head. */
  readonly write: Float32Array;
  readonly fade: Float32Array;
}

/**
 * Changes the state by one token, and returns the values that the token reads from it. For each value
 * head, the matrix fades, then the value that the token's key finds in it is replaced, as far as
 * `write` allows, by the token's value; the query reads the result.
 */
export function deltaStep(
  state: DeltaState,
  { shape, weights, input }: { shape: DeltaShape; weights: DeltaNumbers; input: DeltaInput },
): Float32Array {
  const { keyHeads, valueHeads, keyDim, valueDim } = shape;
  const mixed = convolve(state.inputs, { shape, weights, channels: input.channels });
  const out = new Float32Array(valueHeads * valueDim);
  for (let head = 0; head < valueHeads; head += 1) {
    const keyHead = Math.floor((head * keyHeads) / valueHeads);
    const query = unit(mixed.subarray(keyHead * keyDim, (keyHead + 1) * keyDim));
    const key = unit(
      mixed.subarray((keyHeads + keyHead) * keyDim, (keyHeads + keyHead + 1) * keyDim),
    );
    const values = 2 * keyHeads * keyDim + head * valueDim;
    const kept = Math.exp(
      -Math.exp(weights.fadeRate[head] as number) *
        softplus((input.fade[head] as number) + (weights.fadeBias[head] as number)),
    );
    const share = sigmoid(input.write[head] as number);
    const memory = state.memory.subarray(head * keyDim * valueDim, (head + 1) * keyDim * valueDim);
    for (let i = 0; i < memory.length; i += 1) memory[i] = (memory[i] as number) * kept;
    for (let column = 0; column < valueDim; column += 1) {
      let found = 0;
      for (let row = 0; row < keyDim; row += 1)
        found += (memory[row * valueDim + column] as number) * (key[row] as number);
      const change = share * ((mixed[values + column] as number) - found);
      let read = 0;
      for (let row = 0; row < keyDim; row += 1) {
        const at = row * valueDim + column;
        memory[at] = (memory[at] as number) + (key[row] as number) * change;
        read += (memory[at] as number) * (query[row] as number);
      }
      out[head * valueDim + column] = read / Math.sqrt(keyDim);
    }
  }
  return out;
}

/** Adds up each channel over the last tokens, and remembers the channels for the next ones. */
function convolve(
  inputs: Float32Array,
  {
    shape,
    weights,
    channels,
  }: { shape: DeltaShape; weights: DeltaNumbers; channels: Float32Array },
): Float32Array {
  const { convolution: tokens } = shape;
  const width = channels.length;
  const mixed = channels.map((channel, i) => {
    let sum = channel * (weights.convolution[i * tokens + tokens - 1] as number);
    for (let token = 0; token < tokens - 1; token += 1)
      sum +=
        (inputs[token * width + i] as number) * (weights.convolution[i * tokens + token] as number);
    return sum * sigmoid(sum);
  });
  inputs.copyWithin(0, width);
  inputs.set(channels, inputs.length - width);
  return mixed;
}

const EPSILON = 1e-6;

/** Scales a vector to the length 1. */
function unit(vector: Float32Array): Float32Array {
  const factor = 1 / Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0) + EPSILON);
  return vector.map((value) => value * factor);
}

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
