import type { Command } from 'commander';
import { beforeAll, describe, expect, test } from 'vitest';
import { artefactCommands } from '#e2e/artefacts/commands.ts';
import { documentedCommands } from '#e2e/documentation/commands.ts';
import { assemble, parts } from './program.ts';

/**
 * Every command that README and docs name, or that an image, a unit, compose or the chart runs,
 * must exist, with the options and as many arguments as they show.
 */
const documented = documentedCommands();
const run = artefactCommands();

let program: Command;
beforeAll(async () => {
  program = await assemble(parts, (line) => {
    throw new Error(line);
  });
});

/** Returns what is wrong with a documented line, or undefined if the command exists as shown. */
function faultOf(line: string): string | undefined {
  const words = line.match(/"[^"]*"|<[^>]*>|\{[^}]*\}|\S+/g) ?? [];
  let command = program;
  while (words.length > 0) {
    const next = command.commands.find((each) => each.name() === words[0]);
    if (next === undefined) break;
    command = next;
    words.shift();
  }
  if (command === program && !(words[0] ?? '').startsWith('-'))
    return `there is no command "${words[0]}"`;
  let given = 0;
  while (words.length > 0) {
    const word = words.shift() as string;
    if (!word.startsWith('--')) {
      given += 1;
      continue;
    }
    const [name = ''] = word.split('=');
    if (name === '--help' || name === '--version') continue;
    const option = command.options.find(({ long }) => long === name);
    if (option === undefined) return `${command.name()} has no option ${name}`;
    if ((option.required || option.optional) && !word.includes('=')) words.shift();
  }
  const { registeredArguments } = command;
  // Prose may name a command without its arguments, so only too many arguments are an error.
  if (given > registeredArguments.length && !registeredArguments.at(-1)?.variadic)
    return `${command.name()} takes ${registeredArguments.length} arguments, not ${given}`;
  return undefined;
}

describe('a command in the documentation', () => {
  test('is found in more than 40 places', () => {
    expect(documented.length).toBeGreaterThan(40);
  });

  test.each(documented)('$line ($file) exists as it is shown', ({ line }) => {
    expect(faultOf(line)).toBeUndefined();
  });
});

test.each(run)('$line, which $file runs, exists', ({ line }) => {
  expect(faultOf(line)).toBeUndefined();
});

test('artefacts run the coordinator, the migration and a provider', () => {
  for (const start of ['coordinator', 'migrate', 'provider', 'network init', 'keys create'])
    expect(run.filter(({ line }) => line.startsWith(start))).not.toEqual([]);
});

test('no argument has a name of several words, because commander would read <folder or name> as three', () => {
  const walk = (command: Command): Command[] => [command, ...command.commands.flatMap(walk)];
  const names = walk(program).flatMap((command) =>
    command.registeredArguments.map((argument) => `${command.name()} ${argument.name()}`),
  );
  expect(names.filter((name) => /\b(or|and|of)$/.test(name))).toEqual([]);
});
