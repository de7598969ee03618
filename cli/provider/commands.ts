import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { lockFolder } from '#bin/folder-lock.ts';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { messageOf } from '#bus-schemas/message-of.ts';
import { tuneForServing } from '#bus-schemas/serving-process.ts';
import { setting } from '#bus-schemas/settings/settings.ts';
import { OPENAI } from '#provider/engine/backend-names.ts';
import type { LocalServer, LocalServerOptions } from '#provider/local/local-server.ts';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import packageJson from '../../package.json' with { type: 'json' };
import { observability } from '../observability.ts';
import { stopSignal } from '../stop-signal.ts';
import { addBenchmarkCommand } from './benchmark-command.ts';
import { type Engines, engines } from './engines.ts';
import { firstToken } from './first-token.ts';
import { guestSettingsOf } from './guest-options.ts';
import { addOwnModelCommands } from './model-commands.ts';
import { addServeOptions, modelFolderOf, type ServeOptions } from './serve-options.ts';
import { addServiceCommands } from './service-commands.ts';
import { upstreamOf } from './upstream-options.ts';

const DRAIN_MS = 60_000;
/** How the machine announces what its owner allows. */
const PREFETCHES = { off: undefined, ask: false, on: true } as const;

/**
 * Adds the commands of the provider. This module is loaded for every `dinf` command, so each action
 * imports what is slow to load by itself.
 */
export function addCommands(program: Command): void {
  const provider = program.command('provider').enablePositionalOptions();
  addServeOptions(provider)
    .description('serve models on this machine, until Ctrl-C')
    .action((options: ServeOptions) => provide(options));
  addServiceCommands(provider);
  addOwnModelCommands(provider);
  addBenchmarkCommand(provider);
  program
    .command('weights')
    .argument('<model>', "a model folder, or a name in Hugging Face's cache")
    .description(
      "print the digest of a model's files for the catalog: SHA-256 over their names and digests",
    )
    .action(printWeights);
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
  memoryPercent,
  local,
  ...flags
}: ServeOptions): Promise<void> {
  // Two providers in one folder would share one identity.
  await using _lock = lockFolder({
    folder: resolve(home),
    command: 'provider',
    remedy: 'give this one another folder with --home',
  });
  const { WorkerChannel } = await import('./worker-channel.ts');
  const channel = new WorkerChannel();
  const { startDaemon } = await import('#provider/daemon.ts');
  const { openDoor } = await import('#provider/guest/open-door.ts');
  const { cacheFolder } = await import('#bus-schemas/program-folders.mjs');
  const { findNatsServer } = await import('#provider/leaf/nats-server-binary.ts');
  const { readMeasurements } = await import('#provider/engine/measured-speeds.ts');
  const { pino, destination } = await import('pino');
  const log = pino(
    { name: 'provider', level: setting('DINF_LOG') ?? 'info', base: { name: 'provider' } },
    destination({ dest: 2, sync: false }),
  );
  const { path: natsServer } = await findNatsServer({ cacheDir: cacheFolder(process.env) });
  const openEngine = engines[name] as Engines[string];
  const { ownersScope, prefixSecret, prefixSettings } = await import(
    '#provider/engine/stored/prefix-settings.ts'
  );
  const prefixes = await prefixSettings(
    resolve(home),
    {
      gigabytes: flags.prefixDiskGb,
      hours: flags.prefixDiskHours,
      dailyGigabytes: flags.prefixDiskDailyGb,
    },
    packageJson.version,
  );
  await using engine = await openEngine({
    models: model.length > 0 || name === OPENAI ? model.map(modelFolderOf) : [TINY_MODEL_FOLDER],
    upstream: await upstreamOf(flags),
    maxConcurrency: concurrency,
    idleMs: idleMinutes * 60_000,
    memoryShare: memoryPercent / 100,
    memoryFile: join(resolve(home), 'memory-share.json'),
    measured: (await readMeasurements(resolve(home))).filter(
      ({ version }) => version === packageJson.version,
    ),
    ...(prefixes && { prefixes }),
    log,
  }).catch((error: unknown) => {
    if (error instanceof CommandError) throw error;
    throw new CommandError(EXIT.unavailable, `no engine: ${messageOf(error)}`, { cause: error });
  });
  // It starts before the link to the network, because the owner can use it without the network.
  await using own =
    local === 0
      ? undefined
      : await serveLocally({
          engine,
          port: local,
          cacheScope: ownersScope(await prefixSecret(resolve(home))),
          log,
        });
  if (own !== undefined) console.log(`programs on this machine can use ${own.url}/v1`);
  await using observed = await observability('dinf-provider', log);
  await using daemon = await startDaemon({
    home: resolve(home),
    coordinatorUrl: coordinator,
    name: hostname(),
    natsServer,
    engine,
    metrics: observed.metrics,
    otel: observed.otel,
    isPrivate: flags.privateOnly,
    refusesBatches: flags.batches === false,
    // Only the background service can fetch builds, and only an own engine can serve further ones.
    prefetches:
      channel.isSupervised && engine.add !== undefined ? PREFETCHES[flags.desired] : undefined,
    log,
    observer: channel.observer,
    token: firstToken({
      coordinator,
      token,
      tokenFile,
      link,
      log,
      onCode: (shown) => channel.report({ t: 'link_code', ...shown }),
    }),
  });
  console.log(
    `provider ${daemon.provider} serves ${engine
      .slots()
      .map(({ build }) => build)
      .join(', ')} with ${engine.name}`,
  );
  tuneForServing();
  using opened = await openDoor({
    settings: guestSettingsOf(flags),
    home: resolve(home),
    engine,
    log,
    setDraining: daemon.setDraining,
    setConditions: daemon.setConditions,
    setStreamShare: daemon.setStreamShare,
    note: daemon.note,
    onWake: () => {
      log.info('the computer has woken');
      daemon.wake();
    },
  });
  // The first pulse comes before this report: it says whether the machine is closed from the start.
  using _reports = channel.serve({ daemon, engine, door: opened.door });
  channel.report({ t: 'serving', provider: daemon.provider, engine: engine.name, coordinator });
  await stopSignal();
  await daemon.drain(DRAIN_MS);
}

async function serveLocally(options: LocalServerOptions): Promise<LocalServer> {
  const { startLocalServer } = await import('#provider/local/local-server.ts');
  return startLocalServer(options).catch((error: unknown) => {
    throw new CommandError(
      EXIT.unavailable,
      `The port of --local cannot be used: ${messageOf(error)}`,
      { cause: error },
    );
  });
}
