import type { Command } from 'commander';
import { ANSWER_TRAITS, type Trait } from '#bus-schemas';
import type { UpstreamOptions } from '#provider/engine/upstream/open-upstream-engine.ts';
import { choicesOf, positiveWholeNumber } from '../option-parsers.ts';
import { readSecret } from './first-token.ts';

/** Options of the engine `openai`, which calls a model server of another project. */
export interface UpstreamFlags {
  readonly upstream?: string;
  readonly upstreamCommand?: string;
  readonly upstreamKeyFile?: string;
  readonly upstreamContext?: number;
  readonly upstreamTraits?: readonly Trait[];
  readonly upstreamRemote?: boolean;
}

export function addUpstreamOptions(command: Command): Command {
  return command
    .option(
      '--upstream <url>',
      'for --engine openai: URL of a model server, such as http://127.0.0.1:1234/v1',
    )
    .option(
      '--upstream-command <command>',
      'command that runs the model server; it is kept running',
    )
    .option('--upstream-key-file <path>', 'a file that holds the key of the model server')
    .option(
      '--upstream-context <n>',
      'context in tokens of models whose server does not state it',
      positiveWholeNumber,
    )
    .option(
      '--upstream-traits <list>',
      `abilities of models whose server does not state them: ${ANSWER_TRAITS.join(', ')}`,
      choicesOf(ANSWER_TRAITS),
    )
    .option(
      '--upstream-remote',
      'allow a model server on another machine, which then reads all prompts',
    );
}

/** The options as arguments, with which the background service starts its worker. */
export const upstreamArguments = (flags: UpstreamFlags): string[] => [
  ...argument('--upstream', flags.upstream),
  ...argument('--upstream-command', flags.upstreamCommand),
  ...argument('--upstream-key-file', flags.upstreamKeyFile),
  ...argument('--upstream-context', flags.upstreamContext?.toString()),
  ...argument('--upstream-traits', flags.upstreamTraits?.join(',')),
  ...(flags.upstreamRemote === true ? ['--upstream-remote'] : []),
];

const argument = (name: string, value: string | undefined): string[] =>
  value === undefined ? [] : [name, value];

export async function upstreamOf(flags: UpstreamFlags): Promise<UpstreamOptions | undefined> {
  const { upstream, upstreamKeyFile: file } = flags;
  if (upstream === undefined) return undefined;
  return {
    upstream,
    command: flags.upstreamCommand,
    allowsRemote: flags.upstreamRemote ?? false,
    key:
      file === undefined
        ? undefined
        : await readSecret(file, 'The key of the model server cannot be read: '),
    contextTokens: flags.upstreamContext,
    traits: flags.upstreamTraits ?? [],
  };
}
