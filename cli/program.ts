import { Command } from 'commander';
import { closeHome } from '#bin/private-home.ts';
import { ownSignals } from '#bin/signals.ts';
import { isCheckout } from '#bus-schemas/program-folders.mjs';
import { homeFolder } from '#bus-schemas/running-network.ts';
import { ConfigError, setting } from '#bus-schemas/settings/settings.ts';
import packageJson from '../package.json' with { type: 'json' };
import { commandEnding } from './command-ending.ts';

interface Part {
  readonly name: string;
  /** The commands that it declares. */
  readonly commands: readonly string[];
  readonly load: () => Promise<{ addCommands(program: Command): void }>;
}

/**
 * The parts of the program in the order of `--help`. A command loads only its own part. A part only
 * declares its commands when it is loaded; the actions import the rest, so that `--help` stays fast. The commands that change or
 * check this repository exist only in a checkout of it.
 */
export const parts: readonly Part[] = [
  { name: 'up', commands: ['up'], load: () => import('./up.ts') },
  {
    name: 'operators',
    commands: [
      'coordinator',
      'migrate',
      'network',
      'keys',
      'enrol-token',
      'revoke',
      'machines',
      'fleet',
      'sign-in',
      'approve',
      'operator-key',
      'accounts',
      'models',
      'routing',
      'trust',
      'release',
      'canary',
      'top',
      'stats',
      'decode',
      'ledger',
      'rewards',
    ],
    load: () => import('./operator/commands.ts'),
  },
  {
    name: 'customers',
    commands: ['chat', 'verify', 'proxy', 'witness'],
    load: () => import('./customer/commands.ts'),
  },
  {
    name: 'providers',
    commands: ['provider', 'weights'],
    load: () => import('./provider/commands.ts'),
  },
  { name: 'doctor', commands: ['doctor'], load: () => import('./doctor/commands.ts') },
  { name: 'simulator', commands: ['simulate', 'replay'], load: () => import('./simulate.ts') },
  ...(isCheckout()
    ? [
        { name: 'test', commands: ['test'], load: () => import('./test.ts') },
        { name: 'bench', commands: ['bench'], load: () => import('./bench.ts') },
        { name: 'world', commands: ['world'], load: () => import('./world.ts') },
        { name: 'chaos', commands: ['chaos'], load: () => import('./chaos.ts') },
        { name: 'soak', commands: ['soak'], load: () => import('./soak.ts') },
        { name: 'package', commands: ['package'], load: () => import('./package.ts') },
      ]
    : []),
];

const EXIT_CODES = `
Exit codes:
  0    done
  1    the command started and then failed
  64   the command line or the configuration is wrong
  69   a dependency is missing (Node 24, npm, the network, nats-server, Postgres); the message names it
  74   a disk is full, or there is no permission to read or write a file
  130  stopped by Ctrl-C before an orderly end (143 by SIGTERM)

DINF_DEBUG=1 prints the stack of a failure.`;

/** The parts that a command line needs: that of its command, or all for the help and an unknown name. */
export function partsFor([command = '']: readonly string[]): readonly Part[] {
  const declaring = parts.filter(({ commands }) => commands.includes(command));
  return declaring.length > 0 ? declaring : parts;
}

/** Builds the program. If a part cannot be loaded, only its own commands are missing. */
export async function assemble(
  loaded: readonly Part[],
  warn: (line: string) => void,
): Promise<Command> {
  const program = new Command('dinf')
    .description(packageJson.description)
    .version(packageJson.version)
    // An option after the name of a subcommand belongs to that subcommand.
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .showHelpAfterError('(dinf --help lists all commands)')
    .addHelpText('after', EXIT_CODES)
    .exitOverride()
    .hook('preAction', () => closeHome(homeFolder(process.env), warn));
  for (const { name, load } of loaded) {
    try {
      (await load()).addCommands(program);
    } catch (error) {
      // A default of an option is a setting with a wrong value: no command can run.
      if (error instanceof ConfigError) throw error;
      warn(
        `the commands of ${name} are not available: ${error instanceof Error ? firstLine(error.message) : error}`,
      );
      if (setting('DINF_DEBUG')) console.error(error);
    }
  }
  throwInsteadOfExit(program);
  return program;
}

/** Sets exitOverride on every command, because commands from `new Command()` do not inherit it. */
function throwInsteadOfExit(command: Command): void {
  command.exitOverride();
  for (const each of command.commands) throwInsteadOfExit(each);
}

const firstLine = (text: string) => text.split('\n', 1)[0] ?? '';

export async function run(args: readonly string[]): Promise<void> {
  const warn = (line: string) => process.stderr.write(`dinf: ${line}\n`);
  ownSignals();
  let isDebugging = false;
  try {
    isDebugging = setting('DINF_DEBUG');
    const program = await assemble(partsFor(args), warn);
    if (args.length === 0) {
      program.outputHelp();
      return;
    }
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    const { code, line } = commandEnding(error);
    if (line) warn(line);
    if (isDebugging) console.error(error);
    process.exit(code);
  }
}
