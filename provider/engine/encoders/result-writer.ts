import { type EncodingTask, scoreLine, vectorLine } from '#bus-schemas';
import type { EncoderModel } from '../../models/encoders/encoder-model.ts';
import type { Pooling } from '../../models/encoders/pooling.ts';
import type { EncoderInput } from '../../models/encoders/word-tokenizer.ts';
import { TensorReader } from '../../models/tensor-reader.ts';

/** The last matrices of a reranker: from the vector of the first token to one number. */
interface Head {
  readonly pooler: { readonly weight: Float32Array; readonly bias: Float32Array };
  readonly classifier: { readonly weight: Float32Array; readonly bias: Float32Array };
}

/** Makes the results of texts from the vectors of their tokens. */
export class ResultWriter {
  readonly #width: number;
  readonly #pooling: Pooling | undefined;
  readonly #head: Head | undefined;

  private constructor({ shape, pooling }: EncoderModel, head: Head | undefined) {
    this.#width = shape.hidden;
    this.#pooling = pooling;
    this.#head = head;
  }

  static async open(model: EncoderModel): Promise<ResultWriter> {
    const { head } = model.weights;
    if (head === undefined) return new ResultWriter(model, undefined);
    await using reader = new TensorReader();
    const [pooler, classifier] = [head.pooler, head.classifier];
    return new ResultWriter(model, {
      pooler: {
        weight: await reader.numbers(pooler.weight),
        bias: await reader.numbers(pooler.bias),
      },
      classifier: {
        weight: await reader.numbers(classifier.weight),
        bias: await reader.numbers(classifier.bias),
      },
    });
  }

  /** One line for each input. `states` has the vectors of all tokens of the inputs. */
  lines(inputs: readonly EncoderInput[], states: Float32Array, task: EncodingTask): string[] {
    let at = 0;
    return inputs.map(({ tokens }) => {
      const own = states.subarray(at, at + tokens.length * this.#width);
      at += own.length;
      return task.k === 'rerank'
        ? scoreLine(this.#score(own))
        : vectorLine(this.#vector(own, task.dimensions));
    });
  }

  #vector(states: Float32Array, dimensions = this.#width): Float32Array {
    const rows = this.#pooling?.from === 'first' ? 1 : states.length / this.#width;
    const vector = new Float32Array(dimensions);
    for (let i = 0; i < dimensions; i += 1) {
      let sum = 0;
      for (let row = 0; row < rows; row += 1) sum += states[row * this.#width + i] as number;
      vector[i] = sum / rows;
    }
    const isScaled = this.#pooling?.isNormalised === true || dimensions < this.#width;
    const length = isScaled ? Math.hypot(...vector) : 1;
    return length === 0 ? vector : vector.map((value) => value / length);
  }

  /** The probability that the document is relevant. */
  #score(states: Float32Array): number {
    if (this.#head === undefined) throw new Error('the model has no head for scores');
    const { pooler, classifier } = this.#head;
    const first = states.subarray(0, this.#width);
    const pooled = pooler.bias.map((bias, row) =>
      Math.tanh(bias + dot(pooler.weight.subarray(row * this.#width), first)),
    );
    const logit = (classifier.bias[0] as number) + dot(classifier.weight, pooled);
    return 1 / (1 + Math.exp(-logit));
  }
}

const dot = (weight: Float32Array, input: Float32Array): number =>
  input.reduce((sum, value, i) => sum + value * (weight[i] as number), 0);
