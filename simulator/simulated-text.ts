import { createHash } from 'node:crypto';
import { BYTES_PER_TOKEN, type Finish, type InferenceRequest } from '#bus-schemas';

/**
 * Words of generated text. The text depends only on the request, so that a test can compute each
 * byte of the expected answer. It contains characters of one to four bytes, so that a test notices
 * code that splits a character between two messages.
 */
const WORDS = [
  ' the',
  ' a',
  ' of',
  ' and',
  ' to',
  ' in',
  ' model',
  ' token',
  ' light',
  ' river',
  ' café',
  ' naïve',
  ' über',
  ' señor',
  ' œuvre',
  ' Ærø',
  ' 東京',
  ' 你好',
  ' мир',
  ' λόγος',
  ' שלום',
  ' 🦙',
  ' 🚀',
  ' 👩‍💻',
  ',',
  '.',
  ';',
  ' —',
  ' “quoted”',
  '\n',
  ' x²',
  ' ∑ᵢ',
] as const;
const SHORTEST = 60;
const SPREAD = 240;
const TOKENS_PER_MESSAGE = 4;

type Chat = InferenceRequest['chat'];

export interface TextOptions {
  /** The text goes on until `max_tokens` instead of ending earlier. */
  readonly endless?: boolean;
}

/** Generates words, one for each token. */
export class TokenStream {
  readonly promptTokens: number;
  /** The stop string at which the text ends; undefined if it contains none. */
  readonly stoppedBy: string | undefined;
  readonly #limit: number;
  readonly #comesToAnEnd: boolean;
  readonly #prepared: readonly string[] | undefined;
  #state: number;
  #generated = 0;

  constructor(chat: Chat, { endless = false }: TextOptions = {}) {
    const prompt = JSON.stringify(chat.messages);
    const digest = createHash('sha256')
      .update(prompt)
      .update(String(chat.seed ?? 0))
      .digest();
    this.promptTokens =
      Math.max(1, Math.floor(Buffer.byteLength(prompt) / BYTES_PER_TOKEN)) +
      TOKENS_PER_MESSAGE * chat.messages.length;
    const natural = SHORTEST + (digest.readUInt32LE(0) % SPREAD);
    this.#comesToAnEnd = !endless && natural <= chat.max_tokens;
    this.#limit = this.#comesToAnEnd ? natural : chat.max_tokens;
    this.#state = digest.readUInt32LE(4) | 1;
    if (chat.stop === undefined || chat.stop.length === 0) return;
    const words = Array.from({ length: this.#limit }, () => this.#word());
    const text = words.join('');
    const matches = chat.stop
      .map((stop) => ({ stop, at: text.indexOf(stop) }))
      .filter(({ at }) => at >= 0);
    const first = matches.toSorted((one, other) => one.at - other.at)[0];
    this.#prepared = first === undefined ? words : cutAt(first.at, words);
    this.stoppedBy = first?.stop;
  }

  get generated(): number {
    return this.#generated;
  }

  get length(): number {
    return this.#prepared?.length ?? this.#limit;
  }

  /** Returns the next word, or undefined after the last one. */
  next(): string | undefined {
    if (this.#generated >= this.length) return undefined;
    this.#generated += 1;
    return this.#prepared === undefined ? this.#word() : this.#prepared[this.#generated - 1];
  }

  get finish(): Finish {
    return this.#comesToAnEnd || this.stoppedBy !== undefined ? 'stop' : 'length';
  }

  /**
   * Draws a word with a 32-bit xorshift generator, which gives the same words on every platform.
   */
  #word(): string {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return WORDS[(state >>> 0) % WORDS.length] as string;
  }
}

/** Returns the tokens up to an index in their joined text, and cuts the token at this index. */
function cutAt(place: number, tokens: readonly string[]): string[] {
  let left = place;
  const kept: string[] = [];
  for (const token of tokens) {
    if (left <= 0) break;
    kept.push(token.slice(0, left));
    left -= token.length;
  }
  return kept;
}
