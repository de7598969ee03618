import { parentPort } from 'node:worker_threads';
import { messageOf } from '#bus-schemas/message-of.ts';
import { type CountingTokenizer, openTokenizer, TokenizerError } from './token-count.ts';

export interface CountQuestion {
  readonly path: string;
  /** SHA-256 that the file must have, in hexadecimal; undefined for a file that is only tried. */
  readonly digest: string | undefined;
  readonly text: string;
}

export type CountAnswer =
  | { readonly ok: true; readonly tokens: number; readonly digest: string }
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

function answerTo({ path, digest, text }: CountQuestion): CountAnswer {
  try {
    const tokenizer = loaded.get(path) ?? openTokenizer(path);
    if (digest !== undefined && tokenizer.digest !== digest)
      return { ok: false, code: 'other_file', why: `${path} has another digest.` };
    loaded.delete(path);
    loaded.set(path, tokenizer);
    makeRoom();
    return { ok: true, tokens: tokenizer.count(text), digest: tokenizer.digest };
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
