import type { EncoderInput } from '../../models/encoders/encoder-tokenizer.ts';
import type { ReadingDecoder } from '../../models/encoders/reading-decoder.ts';
import { type Backend, type Decoder, PAGE_TOKENS } from '../decoders/decoder.ts';
import { type StepPart, stepOf } from '../decoders/step.ts';
import { type Encoder, PASS_TOKENS } from './encoder.ts';

/** Pages for the texts of one pass: a short text takes a page too. */
const LEAST_PAGES = 64;

/** The size of a step and of the cache, for texts of the greatest length. */
export function sizesOf({
  decoder,
  contextTokens,
}: Pick<ReadingDecoder, 'decoder' | 'contextTokens'>) {
  const isWhole = decoder.shape.attendsBothWays;
  return {
    // Tokens that attend to one another are in the same step.
    maxTokens: isWhole ? Math.max(PASS_TOKENS, contextTokens) : PASS_TOKENS,
    pages: Math.max(LEAST_PAGES, pagesFor(contextTokens)),
  };
}

/** A decoder that computes the vectors of texts. Its cache holds only the texts of one pass. */
export class ReadingEncoder implements Encoder {
  readonly name: string;
  readonly vectorsPer: Encoder['vectorsPer'];
  readonly #decoder: Decoder;
  readonly #model: ReadingDecoder;
  readonly #sizes: ReturnType<typeof sizesOf>;
  /** Resolves when the passes that were asked for so far have ended. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(model: ReadingDecoder, decoder: Decoder, name: string) {
    this.name = name;
    this.#model = model;
    this.#decoder = decoder;
    this.#sizes = sizesOf(model);
    this.vectorsPer = model.pooling?.from === 'mean' ? 'token' : 'text';
  }

  static async load(model: ReadingDecoder, backend: Backend): Promise<ReadingEncoder> {
    const decoder = await backend.load({ model: model.decoder, ...sizesOf(model) });
    return new ReadingEncoder(model, decoder, `${backend.name} (${backend.device})`);
  }

  pass(inputs: readonly EncoderInput[]): Promise<Float32Array> {
    const vectors = this.#last.then(() => this.#passNow(inputs));
    this.#last = vectors.catch(() => undefined);
    return vectors;
  }

  async #passNow(inputs: readonly EncoderInput[]): Promise<Float32Array> {
    const { hidden } = this.#model.decoder.shape;
    const count = inputs.reduce((sum, { tokens }) => sum + this.#outputsOf(tokens.length), 0);
    const vectors = new Float32Array(count * hidden);
    let at = 0;
    for (const group of groupsOf(inputs, this.#sizes.pages))
      for (const parts of this.#stepsOf(group)) {
        const { logits: states = new Float32Array(0) } = await this.#decoder.step(
          stepOf(parts, true),
        );
        vectors.set(states, at);
        at += states.length;
      }
    return vectors;
  }

  #outputsOf(tokens: number): number {
    return this.vectorsPer === 'token' ? tokens : 1;
  }

  /** Divides inputs that fit into the cache together into steps. */
  *#stepsOf(inputs: readonly EncoderInput[]): Generator<StepPart[]> {
    const { attendsBothWays } = this.#model.decoder.shape;
    const { maxTokens } = this.#sizes;
    let parts: StepPart[] = [];
    let room = maxTokens;
    let page = 0;
    for (const { tokens } of inputs) {
      const count = pagesFor(tokens.length);
      const pages = Int32Array.from({ length: count }, (_, i) => page + i);
      page += count;
      for (let from = 0; from < tokens.length; ) {
        if (room === 0 || (attendsBothWays && tokens.length > room)) {
          yield parts;
          [parts, room] = [[], maxTokens];
        }
        const next = tokens.subarray(from, from + room);
        const isLast = from + next.length === tokens.length;
        parts.push({
          tokens: next,
          from,
          pages,
          outputTokens: this.vectorsPer === 'token' ? 'every' : isLast ? 'last' : 'none',
          ...(attendsBothWays && { end: tokens.length }),
        });
        room -= next.length;
        from += next.length;
      }
    }
    yield parts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last;
    await this.#decoder[Symbol.asyncDispose]();
  }
}

const pagesFor = (tokens: number): number => Math.ceil(tokens / PAGE_TOKENS);

/** Divides inputs into groups whose keys and values fit into the cache together. */
function* groupsOf(inputs: readonly EncoderInput[], pages: number): Generator<EncoderInput[]> {
  let group: EncoderInput[] = [];
  let used = 0;
  for (const input of inputs) {
    const own = pagesFor(input.tokens.length);
    if (group.length > 0 && used + own > pages) {
      yield group;
      [group, used] = [[], 0];
    }
    group.push(input);
    used += own;
  }
  yield group;
}
