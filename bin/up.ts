import { readFile, rename, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { announceNetwork, homeFolder } from '#bus-schemas/running-network.ts';

interface UpOptions {
  readonly providers: number;
  readonly chip: string;
  readonly tokenMs?: string;
  readonly concurrency?: string;
  readonly endless?: boolean;
  readonly engine: string;
}

const FIRST_CREDIT_MICRO_USD = 10_000_000;
const DEFAULT_PORTS = { client: 4222, leaf: 7422, monitor: 8222, issuer: 8090 };
const FLEET_READY_MS = 30_000;
/** Past this a leaf node for each provider costs more memory than it shows. */
const MAX_OWN_LEAVES = 4;

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
  const { providers } = options;
  const startedAt = performance.now();
  const stopped = new Promise<void>((stop) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop());
  });
  const home = homeFolder(process.env);
  const say = (line: string) => process.stderr.write(`dinf: ${line}\n`);
  const { startNetwork } = await import('#testcontainers');
  const { createLogger } = await import('#coordinator/logger.ts');
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
  await using _fleet = providers === 0 ? undefined : await startFleet({ home, options, network, say });
  await using real = options.engine === 'none' ? undefined : await startRealProvider({ home, engine: options.engine, network, say });
  await untilKnown(network, providers + (real ? 1 : 0));
  greet({ url: network.url, apiKey, providers, engine: real?.engine, seconds: (performance.now() - startedAt) / 1_000 });
  await stopped;
  say('stopping');
}

type Network = Awaited<ReturnType<typeof import('#testcontainers').startNetwork>>;

/** The same port every time, where that is possible. */
async function apiPort(say: (line: string) => void): Promise<number> {
  const wanted = Number(process.env['DINF_HTTP_PORT'] || 8080);
  if (await isFree(wanted)) return wanted;
  if (process.env['DINF_HTTP_PORT']) throw new CommandError(EXIT.usage, `Port ${wanted} (DINF_HTTP_PORT) is in use.`);
  say(`port ${wanted} is in use; the API takes another one (DINF_HTTP_PORT names it)`);
  return 0;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((answer) => {
    const server = createServer();
    server.once('error', () => answer(false));
    server.listen(port, '127.0.0.1', () => server.close(() => answer(true)));
  });
}

/** Providers remember where the hub is, and people are who they are at one issuer: both come back where they were. */
async function keptPorts(home: string): Promise<typeof DEFAULT_PORTS> {
  const kept = await readFile(join(home, 'ports.json'), 'utf8').catch(() => undefined);
  if (kept !== undefined) return { issuer: 0, ...JSON.parse(kept) };
  const free = await Promise.all(Object.values(DEFAULT_PORTS).map(isFree));
  return free.every(Boolean) ? DEFAULT_PORTS : { client: -1, leaf: -1, monitor: -1, issuer: 0 };
}

const keepPorts = (home: string, ports: object) => writePrivate(join(home, 'ports.json'), JSON.stringify(ports));

async function writePrivate(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

async function explain(error: unknown): Promise<never> {
  const { LaunchError } = await import('#provider');
  const { ConfigError, DatabaseUnreachable } = await import('#coordinator');
  if (error instanceof ConfigError) throw new CommandError(EXIT.usage, error.message, { cause: error });
  if (error instanceof DatabaseUnreachable) throw new CommandError(EXIT.unavailable, error.message, { cause: error });
  if (!(error instanceof LaunchError)) throw error;
  const hint = error.code === 'address_in_use' ? '\nDoes another "dinf up" run out of this folder? DINF_HOME names another one.' : '';
  throw new CommandError(EXIT.unavailable, error.message + hint, { cause: error });
}

/** Made at the first start and kept, so that the second start prints the same one. */
async function firstKey(home: string, network: Network): Promise<string> {
  const file = join(home, 'api-key');
  const kept = await readFile(file, 'utf8').catch(() => undefined);
  if (kept !== undefined) return kept;
  const owner = network.issuer === undefined ? {} : { account: (await network.signIn('you')).account };
  const { apiKey } = await network.createKey({ name: 'first', creditMicroUsd: FIRST_CREDIT_MICRO_USD, ...owner });
  await writePrivate(file, apiKey);
  return apiKey;
}

/** Processes of their own, as in the field. */
async function startFleet({
  home,
  options,
  network,
  say,
}: {
  home: string;
  options: UpOptions;
  network: Network;
  say: (line: string) => void;
}): Promise<AsyncDisposable> {
  const { providers, chip, tokenMs, concurrency, endless } = options;
  const { startSupervised } = await import('#provider');
  say(`starting ${providers} simulated provider${providers === 1 ? '' : 's'}`);
  const tokens = await Promise.all(Array.from({ length: providers }, () => network.enrolToken()));
  const leaves = providers <= MAX_OWN_LEAVES ? 'own' : 'shared';
  const fleet = await startSupervised({
    name: 'simulator',
    command: process.execPath,
    args: [
      ...[join(import.meta.dirname, 'dinf.ts'), 'simulate', '--providers', String(providers), '--chip', chip, '--coordinator', network.url, '--leaves', leaves],
      ...(tokenMs === undefined ? [] : ['--token-ms', tokenMs]),
      ...(concurrency === undefined ? [] : ['--concurrency', concurrency]),
      ...(endless ? ['--endless'] : []),
    ],
    env: { ...process.env, DINF_HOME: home, DINF_ENROL_TOKENS: tokens.join(','), npm_lifecycle_event: undefined },
    isReady: (line) => line.includes('simulated providers are ready'),
    readyTimeoutMs: FLEET_READY_MS,
    stopTimeoutMs: FLEET_READY_MS,
  });
  return fleet;
}

/** A provider as anybody would start one, with a model that answers. Without one the network is up all the same. */
async function startRealProvider({ home, engine, network, say }: { home: string; engine: string; network: Network; say: (line: string) => void }) {
  const { startSupervised } = await import('#provider');
  say('starting a provider with a real model');
  let said = '';
  const provider = await startSupervised({
    name: 'provider',
    command: process.execPath,
    args: [join(import.meta.dirname, 'dinf.ts'), 'provider', '--engine', engine, '--coordinator', network.url, '--token', await network.enrolToken()],
    env: { ...process.env, DINF_HOME: home, DINF_LOG: process.env['DINF_LOG'] ?? 'error', npm_lifecycle_event: undefined },
    isReady: (line) => {
      said = line;
      return /^provider \S+ serves/.test(line);
    },
    readyTimeoutMs: FLEET_READY_MS,
    stopTimeoutMs: FLEET_READY_MS,
  }).catch((error: unknown) => say(`no real model: ${error instanceof Error ? error.message : error}`));
  if (provider === undefined) return undefined;
  return { engine: said.split(' ').at(-1) ?? engine, [Symbol.asyncDispose]: () => provider[Symbol.asyncDispose]() };
}

/** Until the router has heard of them all. */
async function untilKnown(network: Network, providers: number): Promise<void> {
  const { services } = await import('#bus-schemas');
  const knows = async () =>
    new Set((await network.coordinator.bus.call(services.routing.fleet, {}, { timeoutMs: 5_000 })).providers.map(({ provider }) => provider)).size;
  for (const giveUpAt = performance.now() + FLEET_READY_MS; (await knows()) < providers && performance.now() < giveUpAt; )
    await new Promise((resolve) => setTimeout(resolve, 50));
}

interface Greeting {
  readonly url: string;
  readonly apiKey: string;
  readonly providers: number;
  /** What runs the tiny model, if anything does. */
  readonly engine: string | undefined;
  readonly seconds: number;
}

function greet({ url, apiKey, providers, engine, seconds }: Greeting): void {
  const who = [
    ...(engine === undefined ? [] : [`"tiny" is a real model, on ${engine}: sums, spelling backwards, counting, JSON, tools.`]),
    ...(providers === 0
      ? []
      : [`"sim" is ${providers} simulated Mac${providers === 1 ? '' : 's'} that answer${providers === 1 ? 's' : ''} with made-up text.`]),
  ];
  const [model, question] = engine === undefined ? ['sim', 'Hello'] : ['tiny', 'What is 12 + 30?'];
  console.log(`
d-inference is up (${seconds.toFixed(1)} s). ${who.length === 0 ? 'No provider runs yet: dinf simulate, or dinf provider.' : who.join('\n')}

  base URL   ${url}/v1
  API key    ${apiKey}

  curl ${url}/v1/chat/completions \\
    -H "Authorization: Bearer ${apiKey}" -H "Content-Type: application/json" \\
    -d '{"model": "${model}", "stream": true, "messages": [{"role": "user", "content": "${question}"}]}'

Anthropic's SDK takes ${url} as its base URL and the same key. The account behind the key is yours: "npx dinf sign-in"
prints a token for ${url}/v1/me, /v1/keys, /v1/usage and the rest of docs/api.md.

Ctrl-C stops it. What was paid for and earned stays in ${process.env['DINF_HOME'] ?? '.dinf'}.
`);
}
