import type { Command } from 'commander';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { microUsd } from '../option-parsers.ts';
import { withBus } from './with-bus.ts';

const CALL = { timeoutMs: 5_000 };
const MICRO_USD = 1_000_000;

export function addKeyCommands(program: Command): void {
  const keys = program.command('keys').description('API keys');
  keys
    .command('create')
    .description('make an API key; it is shown once')
    .option('--account <id>', 'an account that exists; a new one otherwise')
    .option('--name <name>', 'what to call it', 'key')
    .option('--credit <usd>', 'dollars to put on the account', microUsd, 0)
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
          amountMicroUsd: credit,
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
