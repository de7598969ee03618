import { parse, parseAllDocuments } from 'yaml';

/** Merges (`<<`) are a part of YAML 1.1, which compose reads; aliases are counted without a limit. */
const OPTIONS = { merge: true, maxAliasCount: -1 };

export const parseYaml = <T>(text: string): T => parse(text, OPTIONS) as T;

/** Returns the documents of a file with several, without the empty ones. */
export const parseYamls = <T>(text: string): T[] =>
  parseAllDocuments(text, OPTIONS)
    .map((document) => document.toJS() as T | null)
    .filter((document) => document !== null);
