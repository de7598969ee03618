import type { Command } from 'commander';
import type { ComponentName } from '#bus-schemas';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { tuneForServing } from '#bus-schemas/serving-process.ts';
import type { Config } from '#coordinator';
import { names, workerCount } from '../option-parsers.ts';
import { stopSignal } from '../stop-signal.ts';
import { explainDatabase, refuseWithoutDatabase } from './explain-database.ts';
import { refuseWithoutNetwork, settings, withBus } from './with-bus.ts';

export function addCoordinatorCommands(program: Command): void {
  program
    .command('coordinator')
    .description('run the coordinator, or some of its components')
    .option('--components <names>', 'comma-separated; all when left out', names)
    .option(
      '--workers <n>',
      'with --components ingress: number of processes that share the ports of the API (Linux)',
      workerCount,
    )
    .action((options: CoordinatorRun) => runCoordinator(options));
  program
    .command('migrate')
    .description('bring the database and the streams to this version')
    .option(
      '--contract',
      'also remove what only older versions use; refused while one of them runs',
    )
    .action(({ contract = false }: { contract?: boolean }) => runMigrations(contract));
}

interface CoordinatorRun {
  readonly components?: readonly string[];
  readonly workers?: number;
}

async function runCoordinator({ components: wanted, workers }: CoordinatorRun): Promise<void> {
  const { componentNames, startCoordinator } = await import('#coordinator/main.ts');
  const unknown = wanted?.filter((name) => !componentNames.includes(name as ComponentName)) ?? [];
  if (unknown.length > 0)
    throw new CommandError(
      EXIT.usage,
      `no such component: ${unknown.join(', ')}. There are ${componentNames.join(', ')}.`,
    );
  const config = await settings();
  refuseWithoutNetwork(config);
  if (workers !== undefined) return runWorkers(config, workers, wanted);
  await using _coordinator = await startCoordinator({
    config,
    ...(wanted && { components: wanted as ComponentName[] }),
  }).catch(explainDatabase);
  tuneForServing();
  await stopSignal();
}

/** Runs ingresses that share the ports of the API; this process only keeps them running. */
async function runWorkers(
  config: Config,
  count: number,
  components: readonly string[] | undefined,
): Promise<void> {
  if (components?.join() !== 'ingress')
    throw new CommandError(
      EXIT.usage,
      '--workers needs --components ingress: the other components run in processes of their own.',
    );
  if (config.http.port === 0 || config.https?.port === 0)
    throw new CommandError(EXIT.usage, 'Workers share a port, so it cannot be 0 (any free port).');
  const { createLogger } = await import('#coordinator/logger.ts');
  const { makeWorkersFolder, startIngressWorkers } = await import('../workers/ingress-workers.ts');
  const log = createLogger({ name: 'coordinator', level: config.logLevel });
  await using folder = await makeWorkersFolder();
  await using _workers = await startIngressWorkers({
    config,
    count,
    first: 0,
    folder: folder.path,
    portOffset: (index) => index,
    log,
  });
  log.info({ components, workers: count }, 'the coordinator runs');
  await stopSignal();
}

async function runMigrations(contract: boolean): Promise<void> {
  const config = await settings();
  refuseWithoutDatabase(config);
  const { migrate, pendingMigrations } = await import('#coordinator/migrate.ts');
  const applied = await migrate(config.databaseUrl, {
    ...(contract && { beforeContract: refuseOlderVersions }),
  }).catch(explainDatabase);
  const { ensureStreams, StreamStorageError } = await import('#coordinator/streams.ts');
  const { wantedReplicas } = await import('#coordinator/stream-replicas.ts');
  refuseWithoutNetwork(config);
  const replicas = await wantedReplicas(config);
  if (replicas.sizeUnknown !== undefined)
    process.stderr.write(
      `dinf: the number of hubs cannot be read with the system account (${replicas.sizeUnknown}), so streams keep the replicas that they have; set DINF_STREAM_REPLICAS, or run this where the keys are\n`,
    );
  await withBus((bus) => ensureStreams(bus, replicas)).catch(async (cause: unknown) => {
    if (!(cause instanceof StreamStorageError)) throw cause;
    const { explainStorage } = await import('#coordinator/stream-storage.ts');
    throw new CommandError(EXIT.unavailable, await explainStorage(cause, config), { cause });
  });
  console.log(applied.length === 0 ? 'nothing to apply' : `applied ${applied.join(', ')}`);
  const pending = (await pendingMigrations(config.databaseUrl)).map(({ name }) => name);
  if (pending.length > 0)
    console.log(
      `not applied: ${pending.join(', ')}. When every part of the coordinator has this version, run "dinf migrate --contract".`,
    );
}

async function refuseOlderVersions(migration: string): Promise<void> {
  const { processesWithout } = await import('#coordinator/running-versions.ts');
  const older = await withBus(({ connection }) => processesWithout(connection, migration));
  if (older.length > 0)
    throw new CommandError(
      EXIT.usage,
      `${migration} removes what running processes still use: ${older.join('; ')}. Replace them by this version first (docs/operating/upgrade.md).`,
    );
}
