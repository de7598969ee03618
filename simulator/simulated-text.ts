import { createHash } from 'node:crypto';
import type { Finish, InferenceRequest } from '#bus-schemas';

/**
 * Made-up text that depends on nothing but the request, so that a test can say what each byte of an answer must be. It holds
 * characters of one to four bytes: whoever cuts between bytes is found out.
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
const BYTES_PER_TOKEN = 4;
const TOKENS_PER_MESSAGE = 4;

type Chat = InferenceRequest['chat'];

export interface TextOptions {
  /** Goes on until max_tokens instead of coming to an end by itself. */
  readonly endless?: boolean;
}

/** Words, token by token. */
export class TokenStream {
  readonly promptTokens: number;
  /** The stop string that ends it. */
  readonly stoppedBy: string | undefined;
  readonly #limit: number;
  readonly #comesToAnEnd: boolean;
  readonly #prepared: readonly string[] | undefined;
  #state: number;
  #made = 0;

  constructor(chat: Chat, { endless = false }: TextOptions = {}) {
    const prompt = JSON.stringify(chat.messages);
    const digest = createHash('sha256')
      .update(prompt)
      .update(String(chat.seed ?? 0))
      .digest();
    this.promptTokens = Math.max(1, Math.floor(Buffer.byteLength(prompt) / BYTES_PER_TOKEN)) + TOKENS_PER_MESSAGE * chat.messages.length;
    const natural = SHORTEST + (digest.readUInt32LE(0) % SPREAD);
    this.#comesToAnEnd = !endless && natural <= chat.max_tokens;
    this.#limit = this.#comesToAnEnd ? natural : chat.max_tokens;
    this.#state = digest.readUInt32LE(4) | 1;
    if (chat.stop === undefined || chat.stop.length === 0) return;
    const words = Array.from({ length: this.#limit }, () => this.#word());
    const text = words.join('');
    const found = chat.stop.map((stop) => ({ stop, at: text.indexOf(stop) })).filter(({ at }) => at >= 0);
    const first = found.toSorted((one, other) => one.at - other.at)[0];
    this.#prepared = first === undefined ? words : cutAt(first.at, words);
    this.stoppedBy = first?.stop;
  }

  get made(): number {
    return this.#made;
  }

  get length(): number {
    return this.#prepared?.length ?? this.#limit;
  }

  /** Undefined after the last one. */
  next(): string | undefined {
    if (this.#made >= this.length) return undefined;
    this.#made += 1;
    return this.#prepared === undefined ? this.#word() : this.#prepared[this.#made - 1];
  }

  get finish(): Finish {
    return this.#comesToAnEnd || this.stoppedBy !== undefined ? 'stop' : 'length';
  }

  /** Xorshift: as good as needed, and the same everywhere. */
  #word(): string {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return WORDS[(state >>> 0) % WORDS.length] as string;
  }
}

/** The tokens up to a place in their text; the one that it is in is cut there. */
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
