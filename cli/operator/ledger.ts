import type { Command } from 'commander';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { date, microUsd, month } from '../option-parsers.ts';
import { iso, usd } from '../printed-values.ts';
import { type ArchiveCommandOptions, archive } from './ledger-archive.ts';
import { type StatementOptions, statement } from './ledger-statement.ts';
import { withBus } from './with-bus.ts';

const CALL = { timeoutMs: 30_000 };
/** A full proof of a large ledger takes minutes. */
const PROOF = { timeoutMs: 15 * 60_000 };

/** `dinf ledger …`: the money, for the person who answers for it. */
export function addLedgerCommands(program: Command): void {
  const services = async () => (await import('#bus-schemas')).services.settlement;
  const ledger = program.command('ledger').description('the money');

  ledger
    .command('verify')
    .description('prove that the books balance, from the last proof on')
    .option('--full', 'from the first entry on')
    .action(async ({ full = false }: { full?: boolean }) => verify(full));
  ledger
    .command('archive')
    .description(
      'export the charges and receipts of old months to files, and delete them from the database',
    )
    .option(
      '--before <month>',
      'months before this one, such as 2026-01; DINF_LEDGER_ONLINE_MONTHS decides if absent',
      month,
    )
    .requiredOption('--to <folder>', 'folder for the files; keep them as long as the law requires')
    .action((options: ArchiveCommandOptions) => archive(options));
  ledger
    .command('balance <account>')
    .description('what an account has, holds and may withdraw')
    .action(async (account: string) => {
      const method = (await services()).balance;
      const balance = await withBus((bus) => bus.call(method, { account }, CALL));
      const {
        availableMicroUsd,
        heldMicroUsd,
        promotionalMicroUsd = 0,
        owedMicroUsd = 0,
        withdrawableMicroUsd,
        maturing = [],
      } = balance;
      const parts = [`${usd(availableMicroUsd)} available`, `${usd(heldMicroUsd)} held`];
      console.log(
        [
          ...parts,
          `${usd(promotionalMicroUsd)} promotional`,
          `${usd(withdrawableMicroUsd)} withdrawable`,
          ...(owedMicroUsd > 0 ? [`${usd(owedMicroUsd)} owed`] : []),
        ].join(', '),
      );
      for (const { at, amountMicroUsd } of maturing)
        console.log(
          `${usd(amountMicroUsd)} can be withdrawn from ${new Date(at).toISOString()} on`,
        );
    });
  ledger
    .command('statement <account>')
    .description('every change of an account’s balance, oldest first')
    .option('--from <date>', 'not before', date)
    .option('--until <date>', 'before', date)
    .option('--csv', 'for spreadsheets')
    .option('--json', 'for programs')
    .action((account: string, options: StatementOptions) => statement(account, options));
  ledger
    .command('earnings <account>')
    .description('what an account’s machines and referrals brought')
    .option('--from <date>', 'from this hour on', date)
    .option('--until <date>', 'before this hour', date)
    .action((account: string, options: { from?: number; until?: number }) =>
      earnings(account, options),
    );
  ledger
    .command('credit <account> <usd>')
    .description('give an account promotional credit: it can be spent and never withdrawn')
    .requiredOption('--operation <name>', 'names the gift: the same name twice is one gift')
    .action((account: string, amount: string, { operation }: { operation: string }) =>
      credit(account, microUsd(amount), operation),
    );
  ledger
    .command('limit <key> <account>')
    .description('how much a key may spend in dollars; what is left out has no limit')
    .option('--day <usd>', 'in a UTC day', microUsd)
    .option('--week <usd>', 'in a week from Monday', microUsd)
    .option('--month <usd>', 'in a month', microUsd)
    .option('--total <usd>', 'ever', microUsd)
    .action(
      async (
        key: string,
        account: string,
        caps: { day?: number; week?: number; month?: number; total?: number },
      ) => {
        const method = (await services()).setKeyCaps;
        const { used } = await withBus((bus) => bus.call(method, { key, account, caps }, CALL));
        for (const [window, amount] of Object.entries(used))
          console.log(`${usd(amount).padStart(12)}  used, ${window}`);
      },
    );
  ledger
    .command('terms <account>')
    .description('what an account pays other than everybody does')
    .option('--fee-bps <n>', 'the platform’s part in hundredths of a percent', Number)
    .option('--service', 'the platform’s prices, and no minimum')
    .option('--referrer <account>', 'gets a fifth of the fees')
    .action(
      async (
        account: string,
        options: { feeBps?: number; service?: boolean; referrer?: string },
      ) => {
        const method = (await services()).setTerms;
        const answer = await withBus((bus) =>
          bus.call(method, { account, service: false, ...options }, CALL),
        );
        if (!answer.ok)
          throw new CommandError(EXIT.usage, 'An account cannot be its own referrer.');
      },
    );
  ledger
    .command('price <provider> <model> <input> <output>')
    .description('what a provider asks for, in micro-dollars for a million tokens')
    .option('--cache-read <n>', 'for cached tokens; half of the input otherwise', Number)
    .action(
      async (
        provider: string,
        model: string,
        input: string,
        output: string,
        { cacheRead }: { cacheRead?: number },
      ) => {
        const method = (await services()).setProviderPrice;
        const price = {
          inputMicroUsdPerMillion: Number(input),
          outputMicroUsdPerMillion: Number(output),
        };
        const request = {
          provider,
          model,
          ...price,
          ...(cacheRead !== undefined && { cacheReadMicroUsdPerMillion: cacheRead }),
        };
        const answer = await withBus((bus) => bus.call(method, request, CALL));
        if (answer.ok)
          return console.log(
            answer.effectiveAt === undefined
              ? 'The price is set.'
              : `The price holds from ${new Date(answer.effectiveAt).toISOString()} on.`,
          );
        const { settlementRefusals } = await import('#http-api/refusals.ts');
        const { message } = settlementRefusals.setProviderPrice[answer.code];
        throw new CommandError(EXIT.usage, message);
      },
    );
  ledger
    .command('payouts <account>')
    .description('what an account has withdrawn, newest first')
    .action((account: string) => payouts(account));
  ledger
    .command('parked')
    .description('facts that the bus refused for good')
    .action(async () => {
      const method = (await services()).parked;
      const { rows } = await withBus((bus) => bus.call(method, {}, CALL));
      for (const { id, subject, messages, parkedAt, reason } of rows)
        console.log(
          `${id.padStart(10)}  ${iso(parkedAt)}  ${subject}  ${messages} ${messages === 1 ? 'fact' : 'facts'}  ${reason}`,
        );
      console.log(rows.length === 0 ? 'nothing is parked' : 'dinf ledger replay tells them again');
    });
  ledger
    .command('replay [ids...]')
    .description('tell parked facts again; all of them when none is named')
    .action(async (ids: string[]) => {
      const method = (await services()).replay;
      const { rows } = await withBus((bus) =>
        bus.call(method, ids.length > 0 ? { ids } : {}, CALL),
      );
      console.log(`${rows} ${rows === 1 ? 'row' : 'rows'} will be told again`);
    });
}

async function verify(full: boolean): Promise<void> {
  const { services } = await import('#bus-schemas');
  const { ok, ...verified } = await withBus((bus) =>
    bus.call(services.settlement.verify, { full }, PROOF),
  );
  const counts = Object.entries(verified).filter(([name]) => name !== 'v');
  for (const [name, count] of counts) console.log(`${String(count).padStart(8)}  ${name}`);
  if (!ok) throw new CommandError(EXIT.failure, 'The books do not balance.');
  console.log('the books balance');
}

async function earnings(account: string, window: { from?: number; until?: number }): Promise<void> {
  const { services } = await import('#bus-schemas');
  const { lifetimeMicroUsd, sources } = await withBus((bus) =>
    bus.call(services.settlement.earnings, { account, ...window }, CALL),
  );
  for (const { source, jobs, amountMicroUsd } of sources)
    console.log(`${usd(amountMicroUsd).padStart(14)}  ${String(jobs).padStart(8)} jobs  ${source}`);
  console.log(`${usd(lifetimeMicroUsd).padStart(14)}  ever`);
}

async function credit(account: string, amountMicroUsd: number, operation: string): Promise<void> {
  const { services } = await import('#bus-schemas');
  const answer = await withBus((bus) =>
    bus.call(services.settlement.credit, { account, amountMicroUsd, operation }, CALL),
  );
  if (!answer.ok) {
    const { refusalError, settlementRefusals } = await import('#http-api/refusals.ts');
    throw refusalError(settlementRefusals.credit[answer.code]);
  }
  console.log(`${usd(answer.availableMicroUsd)} available`);
}

async function payouts(account: string): Promise<void> {
  const { services } = await import('#bus-schemas');
  const { payouts: all, onboarded } = await withBus((bus) =>
    bus.call(services.settlement.payouts, { account }, CALL),
  );
  if (!onboarded) console.log('Stripe does not pay out to this account yet');
  for (const { payout, at, amountMicroUsd, feeMicroUsd, instant, state } of all)
    console.log(
      `${iso(at)}  ${usd(amountMicroUsd).padStart(14)}  fee ${usd(feeMicroUsd)}  ${instant ? 'instant' : 'standard'}  ${state}  ${payout}`,
    );
}
