import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The commands of this program that README and docs show, as they stand there. Decision records are left out: they tell what was true then. */

const ROOT = join(import.meta.dirname, '..');
const FILES = ['README.md', ...markdownIn('docs'), ...markdownIn('docs/security')];
const COMMAND = /^(?:[A-Z_]+=\S+ )*(?:npx )?dinf (?<line>.*)$/;
/** The shell reads these, not the program. */
const SHELL = /\s(?:#|>|\||&&|2>).*$/;

export interface DocumentedCommand {
  readonly file: string;
  /** Without `dinf`. */
  readonly line: string;
}

/** Each line once, with the first file that shows it. */
export function documentedCommands(): DocumentedCommand[] {
  const byLine = new Map<string, DocumentedCommand>();
  for (const command of FILES.flatMap(commandsIn)) if (!byLine.has(command.line)) byLine.set(command.line, command);
  return [...byLine.values()];
}

function markdownIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder)).flatMap((name) => (name.endsWith('.md') ? [join(folder, name)] : []));
}

function commandsIn(file: string): DocumentedCommand[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const blocks = [...text.matchAll(/```sh\n(.*?)```/gs)].flatMap(([, block = '']) => block.replaceAll('\\\n', ' ').split('\n'));
  const inline = [...text.replaceAll(/```.*?```/gs, '').matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code);
  return [...blocks, ...inline].flatMap((code) => {
    const line = COMMAND.exec(code.trim())?.groups?.['line']?.replace(SHELL, '').trim();
    return line === undefined ? [] : [{ file, line }];
  });
}
