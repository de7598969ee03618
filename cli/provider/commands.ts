import { hostname } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { lockFolder } from '#bin/folder-lock.ts';
import { CommandError, EXIT, type ExitCode } from '#bus-schemas/exit-codes.ts';
import { messageOf } from '#bus-schemas/message-of.ts';
import { coordinatorUrl, homeFolder } from '#bus-schemas/running-network.ts';
import type { EnrolErrorCode } from '#provider/identity.ts';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import { wholeNumber } from '../option-parsers.ts';
import { stopSignal } from '../stop-signal.ts';
import { doctor } from './doctor.ts';
import { AUTO, type Engines, engines } from './engines.ts';
import { firstToken } from './first-token.ts';

interface ProviderOptions {
  readonly coordinator: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly link?: boolean;
  readonly home: string;
  readonly engine: string;
  readonly model: readonly string[];
  readonly concurrency: number;
  readonly idleMinutes: number;
}

const DRAIN_MS = 60_000;
const EXIT_OF: { readonly [code in EnrolErrorCode]: ExitCode } = {
  unreachable: EXIT.unavailable,
  refused: EXIT.failure,
  enrolled_already: EXIT.usage,
  insecure: EXIT.usage,
};

/**
 * Adds the commands of the provider. This module is loaded for every `dinf` command, so each action
 * imports what is slow to load by itself.
 */
export function addCommands(program: Command): void {
  const provider = program.command('provider');
  provider
    .description('serve models on this machine')
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
    .option(
      '--home <folder>',
      'folder of the identity, keys and credentials of this machine',
      join(homeFolder(process.env), 'provider'),
    )
    .addOption(
      new Option('--engine <name>', 'engine that runs the models; auto is the best that runs here')
        .choices(Object.keys(engines))
        .env('DINF_ENGINE')
        .default(AUTO),
    )
    .option(
      '--model <model>',
      'a model folder, or a name in the cache of Hugging Face; may be given again',
      (one: string, all: string[]) => [...all, one],
      envList('DINF_MODELS'),
    )
    .option(
      '--concurrency <n>',
      'requests that are answered at the same time',
      wholeNumber,
      wholeNumber(process.env['DINF_CONCURRENCY'] || '16'),
    )
    .option(
      '--idle-minutes <n>',
      'minutes without a request after which a model is unloaded; 0 keeps it loaded',
      wholeNumber,
      wholeNumber(process.env['DINF_IDLE_MINUTES'] || '0'),
    )
    .action((options: ProviderOptions) => provide(options));
  program
    .command('weights')
    .argument('<model>', "a model folder, or a name in Hugging Face's cache")
    .description(
      "print the digest of a model's files for the catalog: SHA-256 over their names and digests",
    )
    .action(printWeights);
  provider
    .command('doctor')
    .description('show which engine runs the models here, and why a better one does not')
    .action(doctor);
  program
    .command('doctor')
    .description('show what this machine has and lacks, and how to get what it lacks')
    .action(doctor);
}

async function printWeights(name: string): Promise<void> {
  const [{ hex }, { findModel }, { ModelFolder }, { weightsDigest }] = await Promise.all([
    import('#bus-schemas'),
    import('#provider/models/find-model.ts'),
    import('#provider/models/model-folder.ts'),
    import('#provider/models/weights-digest.ts'),
  ]);
  const { path, build } = await findModel(name);
  console.log(`${hex(await weightsDigest(await ModelFolder.open(path)))}  ${build}`);
}

const envList = (name: string): string[] =>
  (process.env[name] ?? '').split(delimiter).filter((entry) => entry !== '');

async function provide({
  coordinator,
  token,
  tokenFile,
  link = false,
  home,
  engine: name,
  model,
  concurrency,
  idleMinutes,
}: ProviderOptions): Promise<void> {
  // Two providers in one folder would share one identity.
  await using _lock = lockFolder({
    folder: resolve(home),
    command: 'provider',
    remedy: 'give this one another folder with --home',
  });
  const { startDaemon } = await import('#provider/daemon.ts');
  const { EnrolError } = await import('#provider/identity.ts');
  const { cacheFolder } = await import('#bus-schemas/program-folders.mjs');
  const { findNatsServer } = await import('#provider/leaf/nats-server-binary.ts');
  const { pino, destination } = await import('pino');
  const log = pino(
    { name: 'provider', level: process.env['DINF_LOG'] ?? 'info', base: { name: 'provider' } },
    destination({ dest: 2, sync: false }),
  );
  const { path: natsServer } = await findNatsServer({ cacheDir: cacheFolder(process.env) });
  const openEngine = engines[name] as Engines[string];
  await using engine = await openEngine({
    models: model.length > 0 ? model : [TINY_MODEL_FOLDER],
    maxConcurrency: concurrency,
    idleMs: idleMinutes * 60_000,
    log,
  }).catch((error: unknown) => {
    throw new CommandError(EXIT.unavailable, `no engine: ${messageOf(error)}`, { cause: error });
  });
  await using daemon = await startDaemon({
    home: resolve(home),
    coordinatorUrl: coordinator,
    name: hostname(),
    natsServer,
    engine,
    log,
    token: firstToken({ coordinator, token, tokenFile, link, log }),
  }).catch((error: unknown) => {
    if (error instanceof EnrolError)
      throw new CommandError(EXIT_OF[error.code], error.message, { cause: error });
    throw error;
  });
  console.log(
    `provider ${daemon.provider} serves ${engine
      .slots()
      .map(({ build }) => build)
      .join(', ')} with ${engine.name}`,
  );
  await stopSignal();
  await daemon.drain(DRAIN_MS);
}
