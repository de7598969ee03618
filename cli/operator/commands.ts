import { type Command, InvalidArgumentError } from 'commander';
import type { ComponentName } from '#bus-schemas';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import type { Bus } from '#coordinator/bus.ts';
import type { Config } from '#coordinator/config.ts';
import { addCustomerCommands } from '../customer/commands.ts';
import { addVerifyCommand } from '../customer/verify.ts';
import { positiveNumber } from '../option-parsers.ts';
import { stopSignal } from '../stop-signal.ts';
import { addAccountCommands } from './accounts.ts';
import { addCanaryCommand } from './canary.ts';
import { addLedgerCommands } from './ledger.ts';
import { addModelCommands } from './models.ts';
import { addRoutingCommands } from './routing.ts';
import { addTopCommand } from './top.ts';
import { addTrustCommands } from './trust.ts';

/** Loaded for every `dinf`, so what weighs something is imported by the action that needs it. */
export function addCommands(program: Command): void {
  program
    .command('coordinator')
    .description('run the coordinator, or some of its components')
    .option('--components <names>', 'comma-separated; all when left out', (names: string) =>
      names.split(','),
    )
    .action(({ components }: { components?: string[] }) => runCoordinator(components));
  program
    .command('migrate')
    .description('bring the database and the streams to this version')
    .action(runMigrations);

  const keys = program.command('keys').description('API keys');
  keys
    .command('create')
    .description('make an API key; it is shown once')
    .option('--account <id>', 'an account that exists; a new one otherwise')
    .option('--name <name>', 'what to call it', 'key')
    .option('--credit <usd>', 'dollars to put on the account', dollars, 0)
    .action((options: { account?: string; name: string; credit: number }) => createKey(options));
  keys
    .command('list')
    .description('all keys: those in use first, newest first')
    .option('--json', 'for programs')
    .action((options: { json?: boolean }) => listKeys(options));
  keys
    .command('revoke <key>')
    .description('the key stops working at once')
    .action((key: string) => revokeKey(key));

  program
    .command('enrol-token')
    .description('make a one-time token for a provider')
    .option('--hours <n>', 'how long it is good', positiveNumber, 1)
    .option('--account <id>', 'whose machine it will be: what it earns is that account’s')
    .action((options: { hours: number; account?: string }) => enrolToken(options));
  program
    .command('revoke <provider>')
    .description('end a provider’s access, and its connection')
    .action((provider: string) => revokeProvider(provider));
  program
    .command('fleet')
    .description('the providers that routing knows')
    .option('--json', 'for programs')
    .action((options: { json?: boolean }) => showFleet(options));
  addAccountCommands(program, withBus);
  addModelCommands(program, withBus);
  addRoutingCommands(program, withBus);
  addTrustCommands(program, withBus);
  addCanaryCommand(program, withBus);
  addTopCommand(program, withBus);
  addLedgerCommands(program, withBus);
  addVerifyCommand(program);
  addCustomerCommands(program);
}

const CALL = { timeoutMs: 5_000 };
const MICRO_USD = 1_000_000;
const HOUR_MS = 3_600_000;

function dollars(text: string): number {
  const value = Number(text);
  if (!(value >= 0)) throw new InvalidArgumentError('must be an amount in dollars');
  return value;
}

/** The environment goes before what a running `dinf up` says. */
async function settings(): Promise<Config> {
  const { ConfigError, readConfig } = await import('#coordinator/config.ts');
  const { homeFolder, runningSettings } = await import('#bus-schemas/running-network.ts');
  try {
    return readConfig({ ...runningSettings(homeFolder(process.env)), ...process.env });
  } catch (error) {
    throw error instanceof ConfigError ? new CommandError(EXIT.usage, error.message) : error;
  }
}

async function runCoordinator(wanted: readonly string[] | undefined): Promise<void> {
  const { componentNames, startCoordinator } = await import('#coordinator/main.ts');
  const unknown = wanted?.filter((name) => !componentNames.includes(name as ComponentName)) ?? [];
  if (unknown.length > 0)
    throw new CommandError(
      EXIT.usage,
      `no such component: ${unknown.join(', ')}. There are ${componentNames.join(', ')}.`,
    );
  const config = await settings();
  await using _coordinator = await startCoordinator({
    config,
    ...(wanted && { components: wanted as ComponentName[] }),
  }).catch(explainDatabase);
  await stopSignal();
}

async function explainDatabase(cause: unknown): Promise<never> {
  const { DatabaseRefused, DatabaseUnreachable } = await import('#coordinator/database/errors.ts');
  if (cause instanceof DatabaseRefused)
    throw new CommandError(EXIT.usage, `DATABASE_URL: ${cause.message}.`, { cause });
  if (cause instanceof DatabaseUnreachable)
    throw new CommandError(EXIT.unavailable, cause.message, { cause });
  throw cause;
}

async function runMigrations(): Promise<void> {
  const config = await settings();
  if (config.databaseUrl === '')
    throw new CommandError(
      EXIT.usage,
      'DATABASE_URL is not set, and no network runs out of this home.',
    );
  const { migrate } = await import('#coordinator/migrate.ts');
  const applied = await migrate(config.databaseUrl).catch(explainDatabase);
  const { ensureStreams, StreamStorageError } = await import('#coordinator/streams.ts');
  await withBus((bus) => ensureStreams(bus)).catch(async (cause: unknown) => {
    if (!(cause instanceof StreamStorageError)) throw cause;
    const { explainStorage } = await import('#coordinator/stream-storage.ts');
    throw new CommandError(EXIT.unavailable, await explainStorage(cause, config), { cause });
  });
  console.log(applied.length === 0 ? 'nothing to apply' : `applied ${applied.join(', ')}`);
}

/** A hub that does not answer soon is an error here: nobody wants to wait at a prompt for ever. */
async function withBus<T>(work: (bus: Bus) => Promise<T>): Promise<T> {
  const config = await settings();
  const { credsAuthenticator } = await import('@nats-io/transport-node');
  const { connectToServer } = await import('#bus-schemas');
  const { readFile } = await import('node:fs/promises');
  const { AuditedBus } = await import('#coordinator/audited-bus.ts');
  const away = (cause: unknown) =>
    new CommandError(
      EXIT.unavailable,
      `No hub answers at ${config.natsUrls.join(', ')} with the keys in ${config.home}. Is the network running (dinf up)?`,
      {
        cause,
      },
    );
  const credentials = await readFile(config.coreCredentials).catch((cause: unknown) => {
    throw away(cause);
  });
  const connection = await connectToServer({
    servers: [...config.natsUrls],
    authenticator: credsAuthenticator(credentials),
    name: 'dinf',
    timeout: CALL.timeoutMs,
  }).catch((cause: unknown) => {
    throw away(cause);
  });
  try {
    return await work(new AuditedBus(connection));
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'unavailable') {
      throw new CommandError(
        EXIT.unavailable,
        'The hub is there, but the coordinator does not answer.',
        { cause },
      );
    }
    throw cause;
  } finally {
    await connection.close();
  }
}

async function createKey({
  account,
  name,
  credit,
}: {
  account?: string;
  name: string;
  credit: number;
}): Promise<void> {
  const { services } = await import('#bus-schemas');
  const { makeApiKey } = await import('#coordinator/secrets.ts');
  await withBus(async (bus) => {
    const owner =
      account ?? (await bus.call(services.accounts.createAccount, { name }, CALL)).account;
    const { text, hash, hint } = makeApiKey();
    const made = await bus.call(
      services.accounts.createKey,
      { account: owner, name, keyHash: hash, hint },
      CALL,
    );
    if (!made.ok)
      throw new CommandError(
        EXIT.failure,
        made.code === 'unknown_account'
          ? `There is no account ${owner}.`
          : 'The key could not be made; try again.',
      );
    if (credit > 0)
      await bus.call(
        services.settlement.credit,
        {
          account: owner,
          amountMicroUsd: Math.round(credit * MICRO_USD),
          operation: `cli:${made.key}`,
        },
        CALL,
      );
    const { availableMicroUsd } = await bus.call(
      services.settlement.balance,
      { account: owner },
      CALL,
    );
    console.error(
      `account ${owner}, key ${made.key}, balance $${(availableMicroUsd / MICRO_USD).toFixed(2)}. The key is shown this once:`,
    );
    console.log(text);
  });
}

async function listKeys({ json }: { json?: boolean }): Promise<void> {
  const { services } = await import('#bus-schemas');
  const { keys } = await withBus((bus) => bus.call(services.accounts.listKeys, {}, CALL));
  if (json) console.log(JSON.stringify(keys));
  else
    for (const key of keys)
      console.log(
        `${key.key}  ${key.account}  ${key.hint}  ${new Date(key.createdAt).toISOString()}  ${key.revokedAt ? 'revoked' : 'active'}  ${key.name}`,
      );
}

async function revokeKey(key: string): Promise<void> {
  const { services } = await import('#bus-schemas');
  const { revoked } = await withBus((bus) => bus.call(services.accounts.revokeKey, { key }, CALL));
  if (!revoked) throw new CommandError(EXIT.failure, `${key} is not an active key.`);
  console.log(`${key} is revoked`);
}

async function enrolToken({ hours, account }: { hours: number; account?: string }): Promise<void> {
  const { services } = await import('#bus-schemas');
  const { token, expiresAt } = await withBus((bus) =>
    bus.call(
      services.trust.createToken,
      { lifetimeMs: hours * HOUR_MS, ...(account && { account }) },
      CALL,
    ),
  );
  console.error(`good for one provider until ${new Date(expiresAt).toISOString()}:`);
  console.log(token);
}

async function revokeProvider(provider: string): Promise<void> {
  const { services } = await import('#bus-schemas');
  const { revoked } = await withBus((bus) => bus.call(services.trust.revoke, { provider }, CALL));
  if (!revoked) throw new CommandError(EXIT.failure, `${provider} is not enrolled here.`);
  console.log(`${provider} is revoked and disconnected`);
}

async function showFleet({ json }: { json?: boolean }): Promise<void> {
  const { services } = await import('#bus-schemas');
  const { providers } = await withBus((bus) => bus.call(services.routing.fleet, {}, CALL));
  if (json) console.log(JSON.stringify(providers));
  else
    for (const row of providers)
      console.log(
        `${row.provider}  ${row.chip}${row.simulated ? ' (simulated)' : ''}  ${row.build}  ${row.state}  ${row.running} running, ${row.pending} promised`,
      );
}
