import { basename, join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { coordinatorUrl, homeFolder } from '#bus-schemas/running-network.ts';
import { setting } from '#bus-schemas/settings/settings.ts';
import { DESIRED_MODES, type DesiredMode } from '#provider/desired/desired-modes.ts';
import type { GuestSettings } from '#provider/guest/guest-settings.ts';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import { percent, portOrNone, wholeNumber } from '../option-parsers.ts';
import { AUTO, engines } from './engines.ts';
import { addGuestOptions } from './guest-options.ts';
import { addPrefixOptions, type PrefixOptions } from './prefix-options.ts';
import { addUpstreamOptions, type UpstreamFlags } from './upstream-options.ts';

/** Options of a machine that serves, in the foreground (`dinf provider`) and in the background. */
export interface ServeOptions extends UpstreamFlags, GuestSettings, PrefixOptions {
  readonly coordinator: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly link?: boolean;
  readonly home: string;
  readonly engine: string;
  readonly model: readonly string[];
  readonly concurrency: number;
  readonly idleMinutes: number;
  readonly memoryPercent: number;
  /** Port for programs on this machine; 0 for none. */
  readonly local: number;
  readonly desired: DesiredMode;
}

export const homeOption = (): Option =>
  new Option(
    '--home <folder>',
    'folder of the identity, keys and credentials of this machine',
  ).default(join(homeFolder(process.env), 'provider'));

/** The tiny model has a name, because its folder is inside of the program. */
export const modelFolderOf = (name: string): string =>
  name === basename(TINY_MODEL_FOLDER) ? TINY_MODEL_FOLDER : name;

/** A folder is named relative to the command, but the service has another working folder. */
export const absoluteIfPath = (name: string): string =>
  name.startsWith('.') ? resolve(name) : name;

export function addServeOptions(command: Command): Command {
  const serving = command
    .option('--coordinator <url>', 'URL of the API', coordinatorUrl(process.env))
    .option(
      '--token <token>',
      'a one-time token, for the first start (dinf enrol-token); other users can read it in the list of processes',
    )
    .option(
      '--token-file <path>',
      'a file that holds the token; - reads it from standard input. DINF_ENROL_TOKEN holds it too',
    )
    .option('--link', 'for the first start: show a code that the owner of the machine approves')
    .addOption(homeOption())
    .addOption(
      new Option(
        '--engine <name>',
        'engine that runs the models; auto is the best that runs here, openai is a model server that you run',
      )
        .choices(Object.keys(engines))
        .env('DINF_ENGINE')
        .default(AUTO),
    )
    .option(
      '--model <model>',
      'a model folder, or a name in the cache of Hugging Face or of a model server; may be given again',
      (one: string, all: string[]) => [...all, one],
      setting('DINF_MODELS'),
    )
    .option(
      '--concurrency <n>',
      'requests that are answered at the same time',
      wholeNumber,
      setting('DINF_CONCURRENCY'),
    )
    .option(
      '--idle-minutes <n>',
      'minutes without a request after which a model is unloaded; 0 keeps it loaded',
      wholeNumber,
      setting('DINF_IDLE_MINUTES'),
    )
    .option(
      '--memory-percent <n>',
      'percent of the memory for models that may be used, from 1 to 100',
      percent,
      100,
    )
    .option(
      '--local <port>',
      'also serve programs on this machine, free and without a key, at http://127.0.0.1:<port>/v1; 0 for none',
      portOrNone,
      0,
    )
    .addOption(
      new Option(
        '--desired <mode>',
        'builds that the network wants on this machine: off, shown by status (ask), or downloaded and served (on); only in the background',
      )
        .choices([...DESIRED_MODES])
        .default('ask'),
    );
  return addUpstreamOptions(addGuestOptions(addPrefixOptions(serving)));
}
