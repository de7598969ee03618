import { join } from 'node:path';
import { type Command, Option } from 'commander';
import type { TrustLevel } from '#bus-schemas';
import { homeFolder } from '#bus-schemas/running-network.ts';
import { setting } from '#bus-schemas/settings/settings.ts';
import { wholeNumber } from '../option-parsers.ts';
import { stopSignal } from '../stop-signal.ts';
import { COORDINATOR, explainSealedError, LOG_KEY, type LogOptions } from './log-options.ts';

interface ProxyOptions extends LogOptions {
  readonly host: string;
  readonly allowHost: string[];
  readonly port: number;
  readonly level: TrustLevel;
}

const SECRET_BYTES = 32;

export function addProxyCommand(program: Command): void {
  program
    .command('proxy')
    .description(
      'an OpenAI-compatible API on this machine; only the provider can read its prompts and answers',
    )
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
}

async function runProxy({
  coordinator,
  host,
  allowHost,
  port,
  level,
  logKey,
}: ProxyOptions): Promise<void> {
  const [{ hex }, { SealedClient }, { startProxy }, { createLogger }, { SavedLogHead }] =
    await Promise.all([
      import('#bus-schemas'),
      import('#client'),
      import('#client/proxy/proxy-server.ts'),
      import('#coordinator/logger.ts'),
      import('#client/saved-log-head.ts'),
    ]);
  const log = createLogger({ name: 'proxy', level: setting('DINF_LOG') ?? 'warn' });
  const savedHead = await SavedLogHead.of(coordinator);
  const onHead = (head: Parameters<typeof savedHead.save>[0]) =>
    void savedHead
      .save(head)
      .catch((error: unknown) => log.warn({ err: error }, 'the log could not be kept'));
  using client = new SealedClient({
    url: coordinator,
    minimumLevel: level,
    logKey,
    savedHead: await savedHead.read(),
    onHead,
  });
  const { key, size } = await client.log.refresh().catch(explainSealedError);
  const secret = Buffer.from(await proxySecret(), 'base64url');
  await using proxy = await startProxy({
    client,
    log,
    secret,
    host,
    allowedHosts: allowHost,
    port,
    apiKey: setting('DINF_API_KEY'),
  });
  console.log(`dinf proxy is up.

  base URL   ${proxy.url}/v1

What is asked here is sealed on this machine for the Mac that answers. ${coordinator} sees models, lengths and money.
Machines must have shown: ${level}. The network's log has ${size} entries, signed with
${hex(key)}`);
  await stopSignal();
}

async function proxySecret(): Promise<string> {
  const [{ readOrCreate }, { randomBytes }] = await Promise.all([
    import('#bus-schemas/saved-file.ts'),
    import('node:crypto'),
  ]);
  return readOrCreate(join(homeFolder(process.env), 'proxy.secret'), async () =>
    randomBytes(SECRET_BYTES).toString('base64url'),
  );
}
