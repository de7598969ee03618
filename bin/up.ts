import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { announceNetwork, homeFolder } from '#bus-schemas/running-network.ts';
import type { Network } from '#testcontainers';
import { lockFolder } from './folder-lock.ts';
import { greet } from './up/greeting.ts';

interface UpOptions {
  readonly providers: number;
  readonly chip: string;
  readonly tokenMs?: string;
  readonly concurrency?: string;
  readonly endless?: boolean;
  readonly engine: string;
}

const FIRST_CREDIT_MICRO_USD = 10_000_000;
const FLEET_KNOWN_MS = 30_000;

export function addCommands(program: Command): void {
  program
    .command('up')
    .description('the whole network on this machine: hub, database, coordinator, simulated providers')
    .option('--providers <n>', 'simulated providers to start; 0 for none', wholeNumber, 2)
    .option('--chip <name>', 'which Mac they are', 'm4-max')
    .option('--token-ms <ms>', 'their time between two tokens')
    .option('--concurrency <n>', 'sequences at once on each')
    .option('--endless', 'their answers go on until max_tokens')
    .option('--engine <name>', 'what runs our tiny model on one provider more; none for no such provider', process.env['DINF_ENGINE'] || 'auto')
    .addHelpText('after', '\nState is kept in DINF_HOME (.dinf). DATABASE_URL names a Postgres of your own; DINF_HTTP_PORT the port of the API.')
    .action((options: UpOptions) => up(options));
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('must be a whole number');
  return value;
}

async function up(options: UpOptions): Promise<void> {
  const broken = await runNetwork(options);
  if (broken !== undefined) throw new CommandError(EXIT.failure, broken.message, { cause: broken });
}

/** Runs until a signal comes, or until something that the network cannot do without has failed for good: then answers with what failed. */
async function runNetwork(options: UpOptions): Promise<Error | undefined> {
  const { providers } = options;
  const startedAt = performance.now();
  const { promise: ended, resolve: end } = Promise.withResolvers<Error | undefined>();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end(undefined));
  const home = homeFolder(process.env);
  // Two would run two hubs on one JetStream store and two servers on one Postgres cluster.
  await using _lock = lockFolder({ folder: home, command: 'up', remedy: 'name another folder with DINF_HOME' });
  const say = (line: string) => process.stderr.write(`dinf: ${line}\n`);
  const { startNetwork } = await import('#testcontainers');
  const { createLogger } = await import('#coordinator/logger.ts');
  const { keepRunning } = await import('#provider');
  const { careForHub } = await import('./up/hub-care.ts');
  const { apiPort, keepPorts, keptPorts } = await import('./up/ports.ts');
  const { startFleet, startRealProvider } = await import('./up/providers.ts');
  const log = createLogger({ name: 'dinf', level: process.env['DINF_LOG'] ?? 'warn' });

  const http = { host: process.env['DINF_HTTP_HOST'] ?? '127.0.0.1', port: await apiPort(say) };
  const databaseUrl = process.env['DATABASE_URL'];
  const { issuer: issuerPort, ...hubPorts } = await keptPorts(home);
  await using network = await startNetwork({
    home,
    log,
    say: (line) => say(`starting ${line}`),
    config: { http },
    hubPorts,
    issuerPort,
    ...(databaseUrl && { databaseUrl }),
  }).catch(explain);
  await using kept = new AsyncDisposableStack();
  for (const { name, child } of network.children) kept.use(keepRunning({ name, child, log, onGivingUp: end }));
  kept.use(careForHub({ network, log }));
  await keepPorts(home, { ...network.hub.ports, issuer: network.issuer === undefined ? issuerPort : Number(new URL(network.issuer.url).port) });
  await using _announced = await announceNetwork(home, {
    natsUrl: network.hub.clientUrl,
    leafUrl: network.hub.leafUrl,
    httpUrl: network.url,
    databaseUrl: network.databaseUrl,
    ...(network.issuer && { issuer: { url: network.issuer.url, secret: network.issuer.secret } }),
  });
  const { simulatedAliases, simulatedModels, tinyAlias, tinyModel } = await import('#simulator');
  await network.putModels([...simulatedModels, tinyModel], [...simulatedAliases, tinyAlias]);
  const apiKey = await firstKey(home, network);
  const order = { home, network, log, say };
  await using _fleet = providers === 0 ? undefined : await startFleet({ ...order, ...options });
  await using real = options.engine === 'none' ? undefined : await startRealProvider({ ...order, engine: options.engine });
  await untilKnown(network, providers + (real ? 1 : 0));
  greet({ url: network.url, apiKey, providers, engine: real?.engine, seconds: (performance.now() - startedAt) / 1_000 });
  const broken = await ended;
  say('stopping');
  return broken;
}

async function explain(error: unknown): Promise<never> {
  const { LaunchError } = await import('#provider');
  const { ConfigError, DatabaseUnreachable } = await import('#coordinator');
  if (error instanceof ConfigError) throw new CommandError(EXIT.usage, error.message, { cause: error });
  if (error instanceof DatabaseUnreachable) throw new CommandError(EXIT.unavailable, error.message, { cause: error });
  if (!(error instanceof LaunchError)) throw error;
  const hint = error.code === 'address_in_use' ? '\nThe ports of this network are in ports.json of its home. Does another program use one of them?' : '';
  throw new CommandError(EXIT.unavailable, error.message + hint, { cause: error });
}

/** Made at the first start and kept, so that the second start prints the same one. */
async function firstKey(home: string, network: Network): Promise<string> {
  const { readIfThere, writePrivate } = await import('#provider');
  const file = join(home, 'api-key');
  const kept = await readIfThere(file);
  if (kept !== undefined) return kept;
  const owner = network.issuer === undefined ? {} : { account: (await network.signIn('you')).account };
  const { apiKey } = await network.createKey({ name: 'first', creditMicroUsd: FIRST_CREDIT_MICRO_USD, ...owner });
  await writePrivate(file, apiKey);
  return apiKey;
}

/** Until the router has heard of them all. */
async function untilKnown(network: Network, providers: number): Promise<void> {
  const { services } = await import('#bus-schemas');
  const knows = async () =>
    new Set((await network.coordinator.bus.call(services.routing.fleet, {}, { timeoutMs: 5_000 })).providers.map(({ provider }) => provider)).size;
  for (const giveUpAt = performance.now() + FLEET_KNOWN_MS; (await knows()) < providers && performance.now() < giveUpAt; )
    await new Promise((resolve) => setTimeout(resolve, 50));
}
