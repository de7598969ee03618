import { type EncodingTask, scoreLine, vectorLine } from '#bus-schemas';
import type { EncoderModel } from '../../models/encoders/encoder-model.ts';
import type { EncoderInput } from '../../models/encoders/encoder-tokenizer.ts';
import type { Pooling } from '../../models/encoders/pooling.ts';
import type { Projection } from '../../models/encoders/projection.ts';
import { ModelError } from '../../models/model-error.ts';
import { TensorReader } from '../../models/tensor-reader.ts';
import { multiplyMatrix } from '../decoders/reference-parts.ts';
import { type Dense, readDense } from '../decoders/reference-weights.ts';
import type { Encoder } from './encoder.ts';
import { type Head, readHead, scoreOf } from './score-head.ts';

interface ReadProjection {
  readonly matrix: Dense;
  readonly activation: Projection['activation'];
}

/** The vectors that an encoder made of some inputs. */
interface Vectors {
  readonly states: Float32Array;
  readonly vectorsPer: Encoder['vectorsPer'];
}

/** Makes the results of texts from the vectors of their tokens. */
export class ResultWriter {
  /** Size of the vectors of tokens. */
  readonly #width: number;
  readonly #pooling: Pooling | undefined;
  readonly #projections: readonly ReadProjection[];
  readonly #head: Head | undefined;

  private constructor(
    model: EncoderModel,
    { projections, head }: { projections: readonly ReadProjection[]; head: Head | undefined },
  ) {
    this.#width = model.kind === 'bert' ? model.shape.hidden : model.decoder.shape.hidden;
    this.#pooling = model.pooling;
    this.#projections = projections;
    this.#head = head;
  }

  static async open(model: EncoderModel): Promise<ResultWriter> {
    await using reader = new TensorReader();
    const projections: ReadProjection[] = [];
    for (const { matrix, activation } of model.pooling?.projections ?? []) {
      const dense = await readDense(reader, matrix);
      if (![dense.values, dense.bias ?? []].every((list) => list.every(Number.isFinite)))
        throw new ModelError('not_finite', matrix.weight.name);
      projections.push({ matrix: dense, activation });
    }
    return new ResultWriter(model, { projections, head: await readHead(model, reader) });
  }

  /** One line for each input. */
  lines(
    inputs: readonly EncoderInput[],
    { states, vectorsPer }: Vectors,
    task: EncodingTask,
  ): string[] {
    let at = 0;
    return inputs.map(({ tokens }) => {
      const rows = vectorsPer === 'token' ? tokens.length : 1;
      const own = states.subarray(at, at + rows * this.#width);
      at += own.length;
      return task.k === 'rerank'
        ? scoreLine(this.#score(own))
        : vectorLine(this.#vector(own, task.dimensions));
    });
  }

  #vector(states: Float32Array, dimensions?: number): Float32Array {
    const whole = this.#projections.reduce<Float32Array>((input, { matrix, activation }) => {
      const made = multiplyMatrix(matrix, input);
      return activation === 'tanh' ? made.map(Math.tanh) : made;
    }, this.#pooled(states));
    const vector = whole.subarray(0, dimensions);
    const isScaled = this.#pooling?.isNormalised === true || vector.length < whole.length;
    const length = isScaled ? Math.hypot(...vector) : 1;
    return length === 0 ? vector : vector.map((value) => value / length);
  }

  #pooled(states: Float32Array): Float32Array {
    const width = this.#width;
    if (this.#pooling?.from !== 'mean')
      return this.#pooling?.from === 'last' ? states.subarray(-width) : states.subarray(0, width);
    const rows = states.length / width;
    return Float32Array.from({ length: width }, (_, i) => {
      let sum = 0;
      for (let row = 0; row < rows; row += 1) sum += states[row * width + i] as number;
      return sum / rows;
    });
  }

  /** The probability that the document is relevant. */
  #score(states: Float32Array): number {
    if (this.#head === undefined) throw new Error('the model has no head for scores');
    return scoreOf(this.#head, states.subarray(0, this.#width));
  }
}
