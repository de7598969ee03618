import type { Matrix } from './decoder-weights.ts';
import { chooseRows, type RowChoice, type Tensor } from './safetensors.ts';

/** Returns a matrix, or a stack of them, with only the chosen rows. */
export function chosenMatrix(matrix: Matrix, choice: RowChoice): Matrix {
  const { out, count, weight, quantized, bias } = matrix;
  const { period, of } = choice;
  if (period === of.length && of.every((row, i) => row === i)) return matrix;
  const rows = out * count;
  const chosenOut = (out / period) * of.length;
  const choose = (tensor: Tensor) => {
    // A stacked tensor has a dimension for the count before that of the rows.
    const columns = tensor.shape.slice(tensor.shape.length > 2 ? 2 : 1);
    const shape = [...(tensor.shape.length > 2 ? [count] : []), chosenOut, ...columns];
    return chooseRows(tensor, { rows, shape, ...choice });
  };
  return {
    ...matrix,
    out: chosenOut,
    weight: choose(weight),
    ...(quantized && {
      quantized: {
        ...quantized,
        scales: choose(quantized.scales),
        ...(quantized.biases && { biases: choose(quantized.biases) }),
      },
    }),
    ...(bias && { bias: chooseRows(bias, { rows, shape: [chosenOut], ...choice }) }),
  };
}

/** Returns a vector with only the chosen numbers. */
export function chosenVector(tensor: Tensor, choice: RowChoice): Tensor {
  const [rows] = tensor.shape as [number];
  return chooseRows(tensor, {
    rows,
    shape: [(rows / choice.period) * choice.of.length],
    ...choice,
  });
}

/** The numbers from `from` up to the one before `to`. */
export const range = (from: number, to: number): Int32Array =>
  Int32Array.from({ length: to - from }, (_, i) => from + i);

/**
 * The order of a head's numbers in which a decoder's rotation pairs each number with the one half a
 * head later. A model that rotates only the first `rotated` numbers pairs them with those half of
 * `rotated` later, or each with its neighbour. The order of queries and keys may change, because
 * attention only adds up their products.
 */
export function rotationOrder(
  headDim: number,
  { rotated, pairsNeighbours }: { rotated: number; pairsNeighbours: boolean },
): Int32Array {
  const [half, turned] = [headDim / 2, rotated / 2];
  return Int32Array.from({ length: headDim }, (_, to) => {
    const [pair, second] = [to % half, Math.floor(to / half)];
    if (pair < turned) return pairsNeighbours ? 2 * pair + second : pair + second * turned;
    return rotated + (pair - turned) + second * (half - turned);
  });
}
