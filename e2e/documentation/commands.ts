import { documentationFiles, textOf } from './blocks.ts';

/** The commands of this program that README and docs show, as they stand there. */

/**
 * One page is generated from the commands themselves, and the other names what changed: neither
 * shows a command as a reader types it.
 */
const NOT_TYPED = ['docs/commands.md', 'CHANGELOG.md'];
const FILES = documentationFiles().filter((file) => !NOT_TYPED.includes(file));
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
  for (const command of FILES.flatMap(commandsIn))
    if (!byLine.has(command.line)) byLine.set(command.line, command);
  return [...byLine.values()];
}

function commandsIn(file: string): DocumentedCommand[] {
  const text = textOf(file);
  const blocks = [...text.matchAll(/```sh\n(.*?)```/gs)].flatMap(([, block = '']) =>
    block.replaceAll('\\\n', ' ').split('\n'),
  );
  const inline = [...text.replaceAll(/```.*?```/gs, '').matchAll(/`([^`\n]+)`/g)].map(
    ([, code = '']) => code,
  );
  return [...blocks, ...inline].flatMap((code) => {
    const line = COMMAND.exec(code.trim())?.groups?.['line']?.replace(SHELL, '').trim();
    return line === undefined ? [] : [{ file, line }];
  });
}
