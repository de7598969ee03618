import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The fenced blocks of the documentation, and what each line of a shell block is. */

export const ROOT = join(import.meta.dirname, '../..');

export interface Block {
  readonly file: string;
  /** What follows the opening fence, such as `sh`; empty without it. */
  readonly language: string;
  readonly text: string;
  /** `file: first line`, by which tables name a block. */
  readonly name: string;
}

/** README and everything in docs but decision records: they tell what was true then. */
export function documentationFiles(): string[] {
  const docs = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md') && !name.startsWith('decisions'))
    .map((name) => join('docs', name));
  const beside = readdirSync(ROOT).filter((name) => name.endsWith('.md'));
  return [...beside, ...docs.toSorted()];
}

export const textOf = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

const FENCE = /^(?<indent> *)```(?<language>[a-z]*)\n(?<text>.*?)^\k<indent>```$/gms;

export function blocksIn(file: string, markdown: string = textOf(file)): Block[] {
  return [...markdown.matchAll(FENCE)].map(({ groups = {} }) => {
    const { text = '', language = '' } = groups;
    return { file, language, text, name: `${file}: ${text.trim().split('\n')[0]?.trim()}` };
  });
}

const DINF = /^(?:[A-Z_]+=\S+ )*(?:npx )?dinf /;

const COMMENT = /(?:^|\s)#\s.*$/;

export interface ShellLine {
  readonly kind: 'call' | 'dinf' | 'other';
  readonly file: string;
  /** Lines that end with a backslash are one. */
  readonly text: string;
  readonly name: string;
}

/** The commands of a shell block; comments and empty lines are left out. */
export function shellLines({ file, text }: Block): ShellLine[] {
  return text
    .replaceAll('\\\n', ' ')
    .split('\n')
    .map((line) => line.replace(COMMENT, '').trim())
    .filter((line) => line !== '')
    .map((line) => ({
      file,
      text: line,
      kind: kindOf(line),
      name: `${file}: ${line.replaceAll(/\s+/g, ' ')}`,
    }));
}

function kindOf(line: string): ShellLine['kind'] {
  if (line.startsWith('curl ')) return 'call';
  return DINF.test(line) ? 'dinf' : 'other';
}

export const documentedBlocks = (): Block[] =>
  documentationFiles().flatMap((file) => blocksIn(file));
