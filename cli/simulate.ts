import { join } from 'node:path';
import { type Command, Option } from 'commander';
import type { Logger } from 'pino';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { coordinatorUrl, homeFolder } from '#bus-schemas/running-network.ts';
import { tuneForServing } from '#bus-schemas/serving-process.ts';
import { setting } from '#bus-schemas/settings/settings.ts';
import type { Engine } from '#provider';
import { BACKENDS, type BackendName } from '#provider/engine/backend-names.ts';
import { type AilmentName, ailmentNames, ailments } from '#simulator/ailment.ts';
import { type ChipName, chipNames } from '#simulator/chips.ts';
import type { Mac } from '#simulator/mix.ts';
import { observability } from './observability.ts';
import { nonNegativeNumber } from './option-parsers.ts';
import { addReplayCommand } from './replay.ts';
import { stopSignal } from './stop-signal.ts';

interface SimulateOptions {
  readonly providers: number;
  readonly chip: ChipName | typeof MIXED;
  readonly seed: number;
  readonly coordinator: string;
  readonly tokenMs?: number;
  readonly concurrency?: number;
  readonly endless?: boolean;
  readonly engine: 'simulated' | BackendName;
  readonly leaves: 'own' | 'shared';
  readonly ailment?: AilmentName;
  readonly ailing: number;
}

const MIXED = 'mixed';

const DRAIN_MS = 10_000;

export function addCommands(program: Command): void {
  program
    .command('simulate')
    .description('run simulated providers, which behave like Macs and answer with generated text')
    .option('--providers <n>', 'number of providers to run', nonNegativeNumber, 1)
    .addOption(
      new Option('--chip <name>', 'the chip of every Mac, or "mixed" for a typical fleet')
        .choices([...chipNames, MIXED])
        .default('m4-max'),
    )
    .option(
      '--seed <n>',
      'seed of the random fleet; the same seed gives the same fleet',
      nonNegativeNumber,
      1,
    )
    .option('--coordinator <url>', 'URL of the API', coordinatorUrl(process.env))
    .option(
      '--token-ms <ms>',
      'milliseconds between two tokens (default: computed from chip and model)',
      nonNegativeNumber,
    )
    .option('--concurrency <n>', 'sequences that each provider runs at once', nonNegativeNumber)
    .option('--endless', 'every answer goes on until max_tokens')
    .addOption(
      new Option('--engine <name>', 'generated text, or the tiny model on a real engine')
        .choices(['simulated', ...BACKENDS])
        .default('simulated'),
    )
    .addOption(
      new Option('--leaves <kind>', 'one leaf node for each provider, or one for all')
        .choices(['own', 'shared'])
        .default('own'),
    )
    .addOption(
      new Option('--ailment <name>', 'the defect that some of the providers have').choices(
        ailmentNames,
      ),
    )
    .option(
      '--ailing <share>',
      'share of the providers that have the defect, from 0 to 1',
      nonNegativeNumber,
      1,
    )
    .addHelpText(
      'after',
      '\nDINF_ENROL_TOKENS holds the one-time tokens, comma-separated: one for each provider that is not enrolled yet (dinf enrol-token creates one).',
    )
    .action((options: SimulateOptions) => simulate(options));
  addReplayCommand(program);
}

async function simulate(options: SimulateOptions): Promise<void> {
  const { cacheFolder, findNatsServer } = await import('#provider');
  const { startFleet } = await import('#simulator/fleet.ts');
  const { pino, destination } = await import('pino');
  const { tokenMs, concurrency, endless } = options;
  const { drawMacs } = await import('#simulator/mix.ts');
  const { chip, ailment } = options;
  const macs = drawMacs({
    ...options,
    count: options.providers,
    chip: chip === MIXED ? undefined : chip,
    ailment: ailment && ailments[ailment],
  });
  const tokens = setting('DINF_ENROL_TOKENS');
  const log = pino(
    { name: 'simulator', level: setting('DINF_LOG') ?? 'info', base: { name: 'simulator' } },
    destination({ dest: 2, sync: false }),
  );
  const { path: natsServer } = await findNatsServer({ cacheDir: cacheFolder(process.env) });
  await using observed = await observability('dinf-provider', log);
  await using fleet = await startFleet({
    coordinatorUrl: options.coordinator,
    token: async () => {
      const token = tokens.shift();
      if (token === undefined)
        throw new CommandError(
          EXIT.usage,
          'DINF_ENROL_TOKENS holds fewer tokens than there are providers to enrol. Create more with dinf enrol-token.',
        );
      return token;
    },
    count: options.providers,
    profile: (index) => ({
      ...(macs[index] as Mac),
      ...(tokenMs !== undefined && { tokenMs }),
      ...(concurrency !== undefined && { maxConcurrency: concurrency }),
      ...(endless !== undefined && { endless }),
    }),
    ...(options.engine !== 'simulated' && {
      realEngine: () => openTiny({ ...options, backend: options.engine as BackendName, log }),
    }),
    natsServer,
    home: join(homeFolder(process.env), 'fleet'),
    leaves: options.leaves,
    metrics: observed.metrics,
    otel: observed.otel,
    log,
  });
  console.log(`${fleet.providers.length} simulated providers are ready`);
  tuneForServing();
  await stopSignal();
  await fleet.drain(DRAIN_MS);
}

async function openTiny({
  backend,
  concurrency = 16,
  log,
}: {
  backend: BackendName;
  concurrency?: number;
  log: Logger;
}): Promise<Engine> {
  const { openModelEngine } = await import('#provider/engine/open-model-engine.ts');
  const { TINY_MODEL_FOLDER } = await import('#tiny-model');
  return openModelEngine({
    backend,
    models: [TINY_MODEL_FOLDER],
    maxConcurrency: concurrency,
    idleMs: 0,
    log,
  });
}
