import { join } from 'node:path';
import { type Command, Option } from 'commander';
import type { TrustLevel } from '#bus-schemas';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { coordinatorUrl, homeFolder } from '#bus-schemas/running-network.ts';
import { wholeNumber } from '../option-parsers.ts';
import { stopSignal } from '../stop-signal.ts';

interface NetworkOptions {
  readonly coordinator: string;
  readonly logKey?: string;
}

interface ProxyOptions extends NetworkOptions {
  readonly host: string;
  readonly allowHost: string[];
  readonly port: number;
  readonly level: TrustLevel;
}

interface WitnessOptions extends NetworkOptions {
  readonly every: number;
  readonly once?: boolean;
}

const SECRET_BYTES = 32;
const ALARMS = ['log_forked', 'log_key_changed', 'log_stale'];
const COORDINATOR = ['--coordinator <url>', 'the network', coordinatorUrl(process.env)] as const;
const LOG_KEY = [
  '--log-key <hex>',
  'the key of its log; the first that is seen is kept where none is given',
] as const;

/** What customers run, who do not have to believe the coordinator. */
export function addCustomerCommands(program: Command): void {
  program
    .command('proxy')
    .description('an OpenAI-compatible API on this machine that nobody on the way can read')
    .option(...COORDINATOR)
    .option('--host <address>', 'where it listens', '127.0.0.1')
    .option('--port <number>', 'where it listens', wholeNumber, 8081)
    .option(
      '--allow-host <name...>',
      'names of this machine that callers may use, besides its addresses and localhost',
      [],
    )
    .addOption(
      new Option('--level <level>', 'what a machine must have shown at least')
        .choices(['self_signed', 'hardware'])
        .default('self_signed'),
    )
    .option(...LOG_KEY)
    .addHelpText(
      'after',
      '\nCallers send their own API key; DINF_API_KEY is used for those that send none. What is known of the log is kept in DINF_HOME.',
    )
    .action((options: ProxyOptions) => runProxy(options));
  program
    .command('witness')
    .description("watch a network's log: an alarm, and an end, when it takes back what it said")
    .option(...COORDINATOR)
    .option(...LOG_KEY)
    .option('--every <seconds>', 'how often', wholeNumber, 60)
    .option('--once', 'look once')
    .action((options: WitnessOptions) => runWitness(options));
}

async function runProxy({
  coordinator,
  host,
  allowHost,
  port,
  level,
  logKey,
}: ProxyOptions): Promise<void> {
  const [{ hex }, { SealedClient }, { startProxy }, { createLogger }, { KeptHead }] =
    await Promise.all([
      import('#bus-schemas'),
      import('#client'),
      import('#client/proxy/proxy-server.ts'),
      import('#coordinator/logger.ts'),
      import('#client/kept-head.ts'),
    ]);
  const log = createLogger({ name: 'proxy', level: process.env['DINF_LOG'] ?? 'warn' });
  const kept = await KeptHead.of(coordinator);
  const onHead = (head: Parameters<typeof kept.keep>[0]) =>
    void kept
      .keep(head)
      .catch((error: unknown) => log.warn({ err: error }, 'the log could not be kept'));
  using client = new SealedClient({
    url: coordinator,
    minimumLevel: level,
    logKey,
    keptHead: await kept.read(),
    onHead,
  });
  const { key, size } = await client.log.refresh().catch(explain);
  const secret = Buffer.from(await proxySecret(), 'base64url');
  await using proxy = await startProxy({
    client,
    log,
    secret,
    host,
    allowedHosts: allowHost,
    port,
    apiKey: process.env['DINF_API_KEY'],
  });
  console.log(`dinf proxy is up.

  base URL   ${proxy.url}/v1

What is asked here is sealed on this machine for the Mac that answers. ${coordinator} sees models, lengths and money.
Machines must have shown: ${level}. The network's log has ${size} entries, signed with
${hex(key)}`);
  await stopSignal();
}

async function proxySecret(): Promise<string> {
  const [{ kept }, { randomBytes }] = await Promise.all([
    import('#bus-schemas/kept-file.ts'),
    import('node:crypto'),
  ]);
  return kept(join(homeFolder(process.env), 'proxy.secret'), async () =>
    randomBytes(SECRET_BYTES).toString('base64url'),
  );
}

async function runWitness({ coordinator, logKey, every, once }: WitnessOptions): Promise<void> {
  const [{ hex }, { SealedClient }, { KeptHead }] = await Promise.all([
    import('#bus-schemas'),
    import('#client'),
    import('#client/kept-head.ts'),
  ]);
  const kept = await KeptHead.of(coordinator);
  const writes: Promise<void>[] = [];
  const onHead = (head: Parameters<typeof kept.keep>[0]) =>
    void writes.splice(0, writes.length, kept.keep(head));
  using client = new SealedClient({
    url: coordinator,
    minimumLevel: 'none',
    logKey,
    keptHead: await kept.read(),
    onHead,
  });
  const stopped = stopSignal().then(() => true);
  for (let isOver = false; !isOver; ) {
    const { size, root, at } = await client.log.refresh().catch(explain);
    await Promise.all(writes);
    console.log(
      `${new Date(at).toISOString()} ${size} entries, ${hex(root)}: a continuation of what was seen before`,
    );
    isOver =
      once === true ||
      (await Promise.race([
        stopped,
        new Promise<boolean>((go) => setTimeout(() => go(false), every * 1_000)),
      ]));
  }
}

async function explain(error: unknown): Promise<never> {
  const { SealedError } = await import('#client');
  if (!(error instanceof SealedError)) throw error;
  if (error.code === 'unreachable')
    throw new CommandError(EXIT.unavailable, error.message, { cause: error });
  const isAlarm = ALARMS.includes(error.code);
  throw new CommandError(
    EXIT.failure,
    isAlarm
      ? `ALARM: ${error.message} Do not send anything to this network before you know why.`
      : error.message,
    {
      cause: error,
    },
  );
}
