import { FieldReader } from '../field-reader.ts';
import type { JsonObject } from '../json.ts';
import { ModelError } from '../model-error.ts';
import type { Prompt } from '../prompt-part.ts';
import type { Tokenizer } from '../tokenizer.ts';
import type { VisionShape } from './vision-shape.ts';

interface Marks {
  /** What the template writes for an image. */
  readonly written: string;
  /** What stands in the prompt before and after the places of its tokens. */
  readonly before: string;
  readonly after: string;
  /** The name of the token that is the place of one of the image's tokens, and its number. */
  readonly name: string;
  readonly place: number;
  /** The token that the decoder gets in its place, if its layers have embeddings of their own. */
  readonly computed?: number;
}

/** How images stand in a prompt: what the template writes for one, and the tokens that it becomes. */
export class ImageMarks {
  readonly #marks: Marks;

  private constructor(marks: Marks) {
    this.#marks = marks;
  }

  /** Throws ModelError if the vocabulary lacks a token that `config.json` names. */
  static read(config: JsonObject, tokenizer: Tokenizer, family: VisionShape['family']): ImageMarks {
    const tokenOf = (field: string): { readonly place: number; readonly name: string } => {
      const id = config[field];
      const name = typeof id === 'number' ? tokenizer.signOf(id) : undefined;
      if (name === undefined)
        throw new ModelError('malformed_config', `config.json.${field} is no control token`);
      return { place: id as number, name };
    };
    if (family === 'qwen') {
      // The template writes the marks of beginning and end itself.
      const token = tokenOf('image_token_id');
      return new ImageMarks({ written: token.name, before: '', after: '', ...token });
    }
    if (family === 'gemma4') {
      const token = tokenOf('image_token_id');
      return new ImageMarks({
        written: token.name,
        before: tokenOf('boi_token_id').name,
        after: tokenOf('eoi_token_id').name,
        ...token,
        computed: paddingOf(config),
      });
    }
    const { name: written } = tokenOf('boi_token_index');
    return new ImageMarks({
      written,
      before: `\n\n${written}`,
      after: `${tokenOf('eoi_token_index').name}\n\n`,
      ...tokenOf('image_token_index'),
    });
  }

  /**
   * Puts the tokens of each image, of which there are `tokens`, where the template has written its mark.
   * Texts of a request cannot contain a mark, because they are hidden from the template
   * (spelled-signs.ts).
   */
  expand(prompt: Prompt, tokens: readonly number[]): Prompt {
    const { written, before, after, name } = this.#marks;
    let image = 0;
    // A mark too many gets one token, and `placesIn` then refuses the prompt.
    const whole = () => `${before}${name.repeat(tokens[image++] ?? 1)}${after}`;
    const expanded = (text: string) => text.replaceAll(written, whole);
    if (typeof prompt === 'string') return expanded(prompt);
    return prompt.map((part) => ('markup' in part ? { markup: expanded(part.markup) } : part));
  }

  /** The tokens that the decoder gets for a prompt. */
  computedFor(prompt: readonly number[]): readonly number[] {
    const { place, computed } = this.#marks;
    if (computed === undefined) return prompt;
    return prompt.map((token) => (token === place ? computed : token));
  }

  /**
   * The places of the first token of each image in a prompt. Throws ModelError if the template has
   * left one out: the model would answer without it.
   */
  placesIn(prompt: readonly number[], tokens: readonly number[]): number[] {
    const { place } = this.#marks;
    const places: number[] = [];
    for (let at = 0; at < prompt.length; at += 1) {
      if (prompt[at] !== place) continue;
      const count = tokens[places.length] ?? 0;
      const run = prompt.slice(at, at + count);
      if (count === 0 || run.length < count || run.some((token) => token !== place)) break;
      places.push(at);
      at += count - 1;
    }
    const all = tokens.reduce((sum, count) => sum + count, 0);
    if (places.length !== tokens.length || countOf(prompt, place) !== all)
      throw new ModelError('malformed_template', 'the template does not render every image');
    return places;
  }
}

function paddingOf(config: JsonObject): number {
  const fields = new FieldReader(config, 'config.json').object('text_config');
  if (fields === undefined) return 0;
  return fields.integer('pad_token_id', { min: 0, max: fields.integer('vocab_size') - 1, or: 0 });
}

const countOf = (tokens: readonly number[], wanted: number): number =>
  tokens.reduce((sum, token) => sum + (token === wanted ? 1 : 0), 0);
