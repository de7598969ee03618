import type { JsonObject } from '../json.ts';
import { ModelError } from '../model-error.ts';
import type { Prompt } from '../prompt-part.ts';
import type { Tokenizer } from '../tokenizer.ts';

/** How images stand in a prompt: what the template writes for one, and the tokens that it becomes. */
export class ImageMarks {
  /** What the template writes for an image. */
  readonly #written: string;
  readonly #whole: string;
  readonly #place: number;
  readonly #tokens: number;

  private constructor(marks: { written: string; whole: string; place: number; tokens: number }) {
    this.#written = marks.written;
    this.#whole = marks.whole;
    this.#place = marks.place;
    this.#tokens = marks.tokens;
  }

  /** Throws ModelError if the vocabulary lacks a token that `config.json` names. */
  static read(config: JsonObject, tokenizer: Tokenizer, tokens: number): ImageMarks {
    const nameOf = (field: string): string => {
      const id = config[field];
      const name = typeof id === 'number' ? tokenizer.signOf(id) : undefined;
      if (name === undefined)
        throw new ModelError('malformed_config', `config.json.${field} is no control token`);
      return name;
    };
    const [begin, place, end] = [
      nameOf('boi_token_index'),
      nameOf('image_token_index'),
      nameOf('eoi_token_index'),
    ];
    return new ImageMarks({
      written: begin,
      whole: `\n\n${begin}${place.repeat(tokens)}${end}\n\n`,
      place: config['image_token_index'] as number,
      tokens,
    });
  }

  /**
   * Puts the tokens of each image where the template has written its mark. Texts of a request cannot
   * contain a mark, because they are hidden from the template (spelled-signs.ts).
   */
  expand(prompt: Prompt): Prompt {
    const expanded = (text: string) => text.replaceAll(this.#written, () => this.#whole);
    if (typeof prompt === 'string') return expanded(prompt);
    return prompt.map((part) => ('markup' in part ? { markup: expanded(part.markup) } : part));
  }

  /**
   * The places of the first token of each image in a prompt. Throws ModelError if the template has
   * left one out: the model would answer without it.
   */
  placesIn(prompt: readonly number[], images: number): number[] {
    const places: number[] = [];
    for (let at = 0; at < prompt.length; at += 1) {
      if (prompt[at] !== this.#place) continue;
      const run = prompt.slice(at, at + this.#tokens);
      if (run.length < this.#tokens || run.some((token) => token !== this.#place)) break;
      places.push(at);
      at += this.#tokens - 1;
    }
    if (places.length !== images || count(prompt, this.#place) !== images * this.#tokens)
      throw new ModelError('malformed_template', 'the template does not render every image');
    return places;
  }
}

const count = (tokens: readonly number[], wanted: number): number =>
  tokens.reduce((sum, token) => sum + (token === wanted ? 1 : 0), 0);
