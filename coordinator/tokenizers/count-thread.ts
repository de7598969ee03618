import { parentPort } from 'node:worker_threads';
import { messageOf } from '#bus-schemas/message-of.ts';
import { type CountingTokenizer, openTokenizer, TokenizerError } from './token-count.ts';

/** A text whose tokens are counted, or token ids whose text is wanted. */
export type CountQuestion = TokenizerFile &
  ({ readonly text: string } | { readonly ids: readonly number[] });

interface TokenizerFile {
  readonly path: string;
  /** SHA-256 that the file must have, in hexadecimal; undefined for a file that is only tried. */
  readonly digest: string | undefined;
}

export type CountAnswer =
  | {
      readonly ok: true;
      readonly tokens: number;
      readonly digest: string;
      /** The text of the ids; undefined if a text was asked, or no text has exactly these tokens. */
      readonly text?: string | undefined;
    }
  | {
      readonly ok: false;
      readonly code: TokenizerError['code'] | 'other_file' | 'failed';
      readonly why: string;
    };

/**
 * Maximum size of the loaded tokenizer files together, in bytes. A loaded tokenizer takes about ten
 * times the size of its file.
 */
const MAX_LOADED_BYTES = 64 * 1024 * 1024;

/** Loaded tokenizers by path; the most recently used one is the last. */
const loaded = new Map<string, CountingTokenizer>();

parentPort?.on('message', (question: CountQuestion) => parentPort?.postMessage(answerTo(question)));

function answerTo(question: CountQuestion): CountAnswer {
  const { path, digest } = question;
  try {
    const tokenizer = loaded.get(path) ?? openTokenizer(path);
    if (digest !== undefined && tokenizer.digest !== digest)
      return { ok: false, code: 'other_file', why: `${path} has another digest.` };
    loaded.delete(path);
    loaded.set(path, tokenizer);
    makeRoom();
    const known = { ok: true as const, digest: tokenizer.digest };
    return 'ids' in question
      ? { ...known, tokens: question.ids.length, text: tokenizer.textOf(question.ids) }
      : { ...known, tokens: tokenizer.count(question.text) };
  } catch (error) {
    const why = messageOf(error);
    return { ok: false, code: error instanceof TokenizerError ? error.code : 'failed', why };
  }
}

function makeRoom(): void {
  let bytes = loaded.values().reduce((sum, tokenizer) => sum + tokenizer.bytes, 0);
  for (const [path, tokenizer] of loaded) {
    if (bytes <= MAX_LOADED_BYTES || loaded.size === 1) return;
    loaded.delete(path);
    bytes -= tokenizer.bytes;
  }
}
