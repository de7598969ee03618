import { readFileSync } from 'node:fs';
import Module, { createRequire } from 'node:module';

type GrammarLibrary = typeof import('@mlc-ai/web-xgrammar');

let library: GrammarLibrary | undefined;

/**
 * Loads XGrammar, which runs in WebAssembly. Its package declares an ES module but contains
 * CommonJS, so neither import nor require can load it.
 */
export function loadGrammarLibrary(): GrammarLibrary {
  if (library !== undefined) return library;
  const path = createRequire(import.meta.url).resolve('@mlc-ai/web-xgrammar');
  const module = new Module(path) as Module & { _compile(code: string, path: string): void };
  module._compile(readFileSync(path, 'utf8'), path);
  library = module.exports as GrammarLibrary;
  return library;
}
