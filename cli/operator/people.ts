import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import type { AccountRecord, AccountRecordReply } from '#bus-schemas';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import type { Bus } from '#coordinator/bus.ts';
import { microUsd, positiveWholeNumber } from '../option-parsers.ts';
import { withBus } from './with-bus.ts';

const CALL = { timeoutMs: 5_000 };
const MICRO_USD = 1_000_000;

interface LimitOptions {
  readonly rpm?: number;
  readonly itpm?: number;
  readonly otpm?: number;
  readonly perDay?: number;
}

/** `dinf accounts …`: the accounts of people, for the operator. */
export function addPeopleCommands(program: Command): void {
  const accounts = program.command('accounts').description('the accounts of people');
  accounts
    .command('find <email>')
    .description('accounts with this e-mail address, at most 50')
    .option('--prefix', 'the address only begins with this text')
    .option('--json', 'for programs')
    .action((email: string, { prefix = false, json = false }: FindOptions) =>
      withBus((bus) => find(bus, { email, isPrefix: prefix }, json)),
    );
  accounts
    .command('show <account>')
    .description('one account, with its limits and its spending of today')
    .option('--json', 'for programs')
    .action((account: string, { json = false }: { json?: boolean }) =>
      withBus((bus) => show(bus, account, json)),
    );
  accounts
    .command('suspend <account>')
    .description('refuse its keys and its sign-in, and give its machines no new requests')
    .requiredOption('--reason <text>', 'for operators; it is in the audit log')
    .action((account: string, { reason }: { reason: string }) =>
      withBus((bus) => suspend(bus, account, reason)),
    );
  accounts
    .command('resume <account>')
    .description('end a suspension')
    .action((account: string) => withBus((bus) => resume(bus, account)));
  accounts
    .command('limits <account>')
    .description('set the limits of an account over all its keys; a limit that is left out ends')
    .option('--rpm <requests>', 'requests in a minute', positiveWholeNumber)
    .option('--itpm <tokens>', 'prompt tokens in a minute', positiveWholeNumber)
    .option('--otpm <tokens>', 'answer tokens in a minute', positiveWholeNumber)
    .option('--per-day <usd>', 'dollars in a UTC day', microUsd)
    .action((account: string, options: LimitOptions) =>
      withBus((bus) => setLimits(bus, account, options)),
    );
  addGiftCommands(accounts);
}

interface FindOptions {
  readonly prefix?: boolean;
  readonly json?: boolean;
}

interface GiftOptions {
  readonly reason: string;
  readonly note?: string;
  readonly operation?: string;
}

function addGiftCommands(accounts: Command): void {
  const gift = (name: 'credit' | 'reward', description: string) =>
    accounts
      .command(name)
      .argument('<account>')
      .argument('<usd>', 'dollars', microUsd)
      .description(description)
      .requiredOption('--reason <text>', 'for operators; it is in the audit log')
      .option('--note <text>', 'for the account; it stands beside the amount on its statement')
      .option('--operation <id>', 'repeat a command with the same id to give the amount only once')
      .action((account: string, amount: number, options: GiftOptions) =>
        withBus((bus) => give(bus, name, { account, amountMicroUsd: amount, ...options })),
      );
  gift('credit', 'give promotional credit: it can be spent and never withdrawn');
  gift('reward', 'pay earned money, which can be withdrawn, out of the fees of the platform');
}

async function find(
  bus: Bus,
  asked: { email: string; isPrefix: boolean },
  json: boolean,
): Promise<void> {
  const { services } = await import('#bus-schemas');
  const { accounts } = await bus.call(services.accounts.findAccounts, asked, CALL);
  if (accounts.length === 0 && !json) console.log('No account has such an address.');
  for (const record of accounts) console.log(json ? JSON.stringify(record) : line(record));
}

function line({ account, name, email, createdAt, suspended }: AccountRecord): string {
  const state = suspended === undefined ? 'active' : `suspended: ${suspended.reason}`;
  return `${account}  ${email ?? name}  since ${new Date(createdAt).toISOString()}  ${state}`;
}

async function show(bus: Bus, account: string, json: boolean): Promise<void> {
  const { services } = await import('#bus-schemas');
  const record = recordOf(
    account,
    await bus.call(services.accounts.accountRecord, { account }, CALL),
  );
  const spending = await bus.call(services.settlement.accountSpending, { account }, CALL);
  if (json) return console.log(JSON.stringify({ ...record, spending }));
  const { requests, inputTokens, outputTokens } = record.limits;
  const limit = (value: number | undefined) => value ?? 'as the network';
  const cap = spending.dayMicroUsd === undefined ? 'no limit' : dollars(spending.dayMicroUsd);
  console.log(line(record));
  console.log(
    `limits of a minute: ${limit(requests)} requests, ${limit(inputTokens)} prompt tokens, ${limit(outputTokens)} answer tokens`,
  );
  console.log(`spent today (UTC): ${dollars(spending.usedMicroUsd)} of ${cap}`);
}

async function suspend(bus: Bus, account: string, reason: string): Promise<void> {
  const { services } = await import('#bus-schemas');
  recordOf(account, await bus.call(services.accounts.suspendAccount, { account, reason }, CALL));
  console.log(`${account} is suspended. "dinf accounts resume ${account}" ends this.`);
}

async function resume(bus: Bus, account: string): Promise<void> {
  const { services } = await import('#bus-schemas');
  recordOf(account, await bus.call(services.accounts.resumeAccount, { account }, CALL));
  console.log(`${account} is active.`);
}

async function setLimits(
  bus: Bus,
  account: string,
  { rpm, itpm, otpm, perDay }: LimitOptions,
): Promise<void> {
  const { services } = await import('#bus-schemas');
  const limits = {
    ...(rpm !== undefined && { requests: rpm }),
    ...(itpm !== undefined && { inputTokens: itpm }),
    ...(otpm !== undefined && { outputTokens: otpm }),
  };
  recordOf(account, await bus.call(services.accounts.setAccountLimits, { account, limits }, CALL));
  const cap = { account, ...(perDay !== undefined && { dayMicroUsd: perDay }) };
  await bus.call(services.settlement.setAccountCap, cap, CALL);
  await show(bus, account, false);
}

async function give(
  bus: Bus,
  kind: 'credit' | 'reward',
  { account, amountMicroUsd, operation = randomUUID(), reason, note }: Gift,
): Promise<void> {
  const { services } = await import('#bus-schemas');
  if (amountMicroUsd === 0) throw new CommandError(EXIT.usage, 'The amount must be above 0.');
  recordOf(account, await bus.call(services.accounts.accountRecord, { account }, CALL));
  const request = {
    account,
    amountMicroUsd,
    operation: `cli:${operation}`,
    reason,
    ...(note !== undefined && { note }),
  };
  const given = await bus.call(services.settlement[kind], request, CALL);
  if (!given.ok) {
    const { refusalError, settlementRefusals } = await import('#http-api/refusals.ts');
    throw refusalError(settlementRefusals.reward[given.code]);
  }
  console.log(`${account} has ${dollars(given.availableMicroUsd)}.`);
}

interface Gift extends GiftOptions {
  readonly account: string;
  readonly amountMicroUsd: number;
}

function recordOf(account: string, reply: AccountRecordReply): AccountRecord {
  if (reply.ok) return reply.record;
  throw new CommandError(EXIT.failure, `There is no account ${account}.`);
}

const dollars = (amount: number): string => `$${(amount / MICRO_USD).toFixed(2)}`;
