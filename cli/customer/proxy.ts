import type { Command } from 'commander';
import { setting } from '#bus-schemas/settings/settings.ts';
import { wholeNumber } from '../option-parsers.ts';
import { stopSignal } from '../stop-signal.ts';
import { COORDINATOR, explainSealedError, LOG_KEY } from './log-options.ts';
import { levelOption, openSealedClient, ownSecret, type SealedOptions } from './sealed-session.ts';

interface ProxyOptions extends SealedOptions {
  readonly host: string;
  readonly allowHost: string[];
  readonly port: number;
}

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
    .addOption(levelOption())
    .option(...LOG_KEY)
    .addHelpText(
      'after',
      '\nCallers send their own API key; DINF_API_KEY is used for those that send none. What is known of the log is kept in DINF_HOME.',
    )
    .action((options: ProxyOptions) => runProxy(options));
}

async function runProxy({ host, allowHost, port, ...sealed }: ProxyOptions): Promise<void> {
  const { coordinator, level } = sealed;
  const [{ hex }, { startProxy }, { createLogger }] = await Promise.all([
    import('#bus-schemas'),
    import('#client/proxy/proxy-server.ts'),
    import('#coordinator/logger.ts'),
  ]);
  const log = createLogger({ name: 'proxy', level: setting('DINF_LOG') ?? 'warn' });
  using client = await openSealedClient(sealed, (error) =>
    log.warn({ err: error }, 'the log could not be kept'),
  );
  const { key, size } = await client.log.refresh().catch(explainSealedError);
  await using proxy = await startProxy({
    client,
    log,
    secret: await ownSecret(),
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
