import { parentPort } from 'node:worker_threads';
import type { CompiledGrammar, GrammarCompiler, GrammarMatcher } from '@mlc-ai/web-xgrammar';
import { LruMap } from '#bus-schemas/lru-map.ts';
import { messageOf } from '#bus-schemas/message-of.ts';
import { loadGrammarLibrary } from './grammar-library.ts';

/**
 * A question to the grammar thread. A hostile schema can crash only this thread, not the provider.
 */
export type GrammarQuestion =
  | {
      readonly op: 'vocabulary';
      readonly spelled: readonly string[];
      readonly spelling: string;
      readonly endTokens: readonly number[];
    }
  | { readonly op: 'check'; readonly format: string }
  | { readonly op: 'open'; readonly id: number; readonly format: string }
  | { readonly op: 'next'; readonly id: number; readonly token: number }
  | { readonly op: 'close'; readonly id: number };

export type GrammarAnswer =
  | { readonly ok: true; readonly mask?: Int32Array<ArrayBuffer> }
  /** `isLost` means that the thread has ended. */
  | { readonly ok: false; readonly why: string; readonly isLost?: true };

const MAX_COMPILED = 32;

/**
 * The last fatal line that the library printed. It contains the reason; the library throws only
 * `Aborted()`.
 */
let printed = '';
console.error = (...words: unknown[]) => {
  const line = words.join(' ').trim();
  if (line.startsWith('[FATAL]')) printed = line;
};

const library = loadGrammarLibrary();
const matchers = new Map<number, GrammarMatcher>();
/** A matcher has its own reference to its grammar, so a dropped grammar can be disposed. */
const compiled = new LruMap<string, CompiledGrammar>(MAX_COMPILED, (grammar) => grammar.dispose());
let compiler: GrammarCompiler | undefined;

async function answer(question: GrammarQuestion): Promise<GrammarAnswer> {
  switch (question.op) {
    case 'vocabulary': {
      const { spelled, spelling, endTokens } = question;
      const info = await library.TokenizerInfo.createTokenizerInfo(
        [...spelled],
        spelling,
        false,
        spelled.length,
        [...endTokens],
      );
      compiler = await library.GrammarCompiler.createGrammarCompiler(info, false);
      return { ok: true };
    }
    case 'check': {
      (await library.Grammar.fromStructuralTag(question.format)).dispose();
      return { ok: true };
    }
    case 'open': {
      matchers.set(
        question.id,
        await library.GrammarMatcher.createGrammarMatcher(await compile(question.format)),
      );
      return { ok: true, ...(await maskOf(question.id)) };
    }
    case 'next': {
      const matcher = matchers.get(question.id);
      if (matcher === undefined) return { ok: false, why: 'no grammar is open under this id' };
      if (!matcher.acceptToken(question.token))
        return { ok: false, why: 'the grammar does not allow this token' };
      return { ok: true, ...(await maskOf(question.id)) };
    }
    case 'close': {
      matchers.get(question.id)?.dispose();
      matchers.delete(question.id);
      return { ok: true };
    }
  }
}

async function compile(format: string): Promise<CompiledGrammar> {
  const known = compiled.get(format);
  if (known) return known;
  if (compiler === undefined) throw new Error('the vocabulary was not sent yet');
  const made = await compiler.compileStructuralTag(format);
  compiled.set(format, made);
  return made;
}

/**
 * Extracts the reason from a line such as `[FATAL] /src/converter.cc:902: Unsupported type
 * "nonsense"`.
 */
function reasonIn(line: string): string | undefined {
  return /^\[FATAL\] \S+:\d+: (.+)/s.exec(line)?.[1];
}

/** Returns no mask if the grammar has ended. */
async function maskOf(id: number): Promise<{ mask?: Int32Array<ArrayBuffer> }> {
  const matcher = matchers.get(id);
  return matcher === undefined || matcher.isTerminated()
    ? {}
    : { mask: Int32Array.from(await matcher.getNextTokenBitmask()) };
}

let last: Promise<void> = Promise.resolve();
parentPort?.on('message', (question: GrammarQuestion) => {
  // Questions are answered one at a time, in order of arrival.
  last = last.then(async () => {
    printed = '';
    const reply = await answer(question).catch(
      (error: unknown): GrammarAnswer => ({
        ok: false,
        why: reasonIn(printed) ?? messageOf(error),
      }),
    );
    parentPort?.postMessage(reply, reply.ok && reply.mask ? [reply.mask.buffer] : []);
  });
});
