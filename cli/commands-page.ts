import type { Argument, Command, Option } from 'commander';

/**
 * docs/commands.md: every command with its arguments and options, from the definitions that
 * `--help` prints.
 */

const INTRO = `# Commands

Written from the definitions of the commands (\`DINF_WRITE_API=1\` and the test \`commands-page\`). \`npx dinf --help\` and
\`npx dinf COMMAND --help\` print the same. A default in this table is the one without any setting of the environment
([configuration.md](configuration.md)).

Commands for operators reach the bus of the network that runs out of \`DINF_HOME\`. Commands that take \`--coordinator\` use HTTP.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | it started and then failed |
| 64 | the command line or the configuration is wrong |
| 69 | something from outside is missing (Node 24, npm, the network, nats-server, Postgres); the message names it |
| 74 | a disk is full, or a file may not be read or written |
| 130, 143 | stopped by Ctrl-C, or by SIGTERM, before it could end in order |
`;

/** Defaults name a folder of this machine, `home.path`; the page has `home.text` instead. */
export function commandsPage(
  program: Command,
  home: { readonly path: string; readonly text: string },
): string {
  const sections = program.commands.flatMap((command) =>
    section(command, { path: program.name(), depth: 2 }),
  );
  return `${[INTRO.trimEnd(), ...sections].join('\n\n').replaceAll(home.path, home.text)}\n`;
}

function section(command: Command, { path, depth }: { path: string; depth: number }): string[] {
  const name = `${path} ${command.name()}`;
  const words = [name, ...command.registeredArguments.map(shown)];
  return [
    `${'#'.repeat(depth)} \`${words.join(' ')}\``,
    ...(command.description() === '' ? [] : [sentence(command.description())]),
    ...table(
      'argument',
      command.registeredArguments.filter(({ description }) => description !== '').map(argumentRow),
    ),
    ...table('option', command.options.filter(({ hidden }) => !hidden).map(optionRow)),
    ...command.commands.flatMap((each) => section(each, { path: name, depth: 3 })),
  ];
}

function shown(argument: Argument): string {
  const name = argument.variadic ? `${argument.name()}...` : argument.name();
  return argument.required ? `<${name}>` : `[${name}]`;
}

interface Row {
  readonly name: string;
  readonly initial: string;
  readonly description: string;
}

const argumentRow = (argument: Argument): Row => ({
  name: argument.name(),
  initial: '',
  description: argument.description,
});

function optionRow({ flags, description, argChoices, defaultValue }: Option): Row {
  const choices =
    argChoices === undefined ? '' : `: ${argChoices.map((choice) => `\`${choice}\``).join(', ')}`;
  return {
    name: flags,
    initial: isShown(defaultValue) ? `\`${String(defaultValue)}\`` : '',
    description: `${description}${choices}`,
  };
}

/** Empty lists and tables are where values are collected, not defaults. */
const isShown = (value: unknown): boolean =>
  (typeof value === 'string' && value !== '') || typeof value === 'number';

function table(kind: string, rows: readonly Row[]): string[] {
  if (rows.length === 0) return [];
  const lines = rows.map(
    ({ name, initial, description }) =>
      `| \`${name}\` | ${initial} | ${description.replaceAll('|', '\\|')} |`,
  );
  return [[`| ${kind} | default | meaning |`, '|---|---|---|', ...lines].join('\n')];
}

function sentence(text: string): string {
  const capital = `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
  return capital.endsWith('.') ? capital : `${capital}.`;
}
