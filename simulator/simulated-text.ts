import { createHash } from 'node:crypto';
import type { Finish, InferenceRequest, Usage } from '#bus-schemas';

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

export interface SimulatedAnswer {
  readonly text: string;
  readonly finish: Finish;
  readonly usage: Usage;
}

/** An answer, token by token. */
export class TokenStream {
  readonly promptTokens: number;
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
    if (chat.stop !== undefined && chat.stop.length > 0)
      this.#prepared = cutAt(
        chat.stop,
        Array.from({ length: this.#limit }, () => this.#word()),
      );
  }

  get made(): number {
    return this.#made;
  }

  /** Undefined after the last one. */
  next(): string | undefined {
    if (this.#made >= (this.#prepared?.length ?? this.#limit)) return undefined;
    this.#made += 1;
    return this.#prepared === undefined ? this.#word() : this.#prepared[this.#made - 1];
  }

  get finish(): Finish {
    return this.#comesToAnEnd || (this.#prepared !== undefined && this.#prepared.length < this.#limit) ? 'stop' : 'length';
  }

  get usage(): Usage {
    return { promptTokens: this.promptTokens, cachedTokens: 0, completionTokens: this.#made };
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

/** The whole answer at once. */
export function simulatedAnswer(chat: Chat, options?: TextOptions): SimulatedAnswer {
  const stream = new TokenStream(chat, options);
  let text = '';
  for (let token = stream.next(); token !== undefined; token = stream.next()) text += token;
  return { text, finish: stream.finish, usage: stream.usage };
}

/** The tokens up to the first of the stop strings; one that it begins in is cut there. */
function cutAt(stops: readonly string[], tokens: readonly string[]): string[] {
  const text = tokens.join('');
  const ends = stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
  if (ends.length === 0) return [...tokens];
  let left = Math.min(...ends);
  const kept: string[] = [];
  for (const token of tokens) {
    if (left <= 0) break;
    kept.push(token.slice(0, left));
    left -= token.length;
  }
  return kept;
}
