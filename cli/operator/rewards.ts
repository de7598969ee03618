import { randomUUID } from 'node:crypto';
import { type Command, Option } from 'commander';
import type { RewardPolicy } from '#bus-schemas';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import type { Bus } from '#coordinator/bus.ts';
import {
  date,
  microUsd,
  names,
  nonNegativeNumber,
  positiveWholeNumber,
  wholeNumber,
} from '../option-parsers.ts';
import { usd } from '../printed-values.ts';
import { table } from '../table.ts';
import { addPromotionCommands } from './promotions.ts';
import { withBus } from './with-bus.ts';

const CALL = { timeoutMs: 10_000 };
const DAY_MS = 86_400_000;
const MINUTES_PER_HOUR = 60;
const HOURS_PER_DAY = 24;
const MB_PER_GB = 1_000;
/** Machines of a day that one request returns. */
const PAGE = 1_000;

interface PolicyOptions {
  readonly dayBudget: number;
  readonly machines: number;
  readonly hours: number;
  readonly level: RewardPolicy['level'];
  readonly requests: number;
  readonly age: number;
  readonly models?: string[];
  readonly memory?: number;
}

/** `dinf rewards …`: what the network pays to machines for being ready. */
export function addRewardCommands(program: Command): void {
  const rewards = program
    .command('rewards')
    .description('what machines get for each day on which they were ready');
  rewards
    .command('show')
    .description('the policy, the fund, and the last days')
    .option('--json', 'for programs')
    .action(({ json = false }: { json?: boolean }) => withBus((bus) => show(bus, json)));
  rewards
    .command('set')
    .description('pay this to each machine for a day, from the next day of UTC on')
    .argument('<usd>', 'dollars', microUsd)
    .requiredOption('--day-budget <usd>', 'most for all machines together', microUsd)
    .option('--machines <n>', 'machines of one account', positiveWholeNumber, 3)
    .option('--hours <n>', 'hours of the day in which it must be ready', nonNegativeNumber, 8)
    .addOption(
      new Option('--level <level>', 'trust level that it must have in these hours')
        .choices(['none', 'self_signed', 'hardware'])
        .default('hardware'),
    )
    .option('--requests <n>', 'answers to accounts that pay with money', wholeNumber, 10)
    .option('--age <days>', 'days since it was linked', wholeNumber, 7)
    .option('--models <names>', 'only answers of these models count, separated by commas', names)
    .option('--memory <gb>', 'a machine that reports less gets nothing', positiveWholeNumber)
    .action((amount: number, options: PolicyOptions) =>
      withBus((bus) => setPolicy(bus, amount, options)),
    );
  rewards
    .command('off')
    .description('pay nothing from the next day of UTC on')
    .action(() => withBus((bus) => endPolicy(bus)));
  addFundCommands(rewards);
  addPromotionCommands(rewards);
  rewards
    .command('day')
    .argument('<date>', 'a day of UTC, such as 2026-11-28', date)
    .description('what every machine got for a day, and why some got nothing')
    .option('--json', 'for programs')
    .action((at: number, { json = false }: { json?: boolean }) =>
      withBus((bus) => showDay(bus, at, json)),
    );
}

function addFundCommands(rewards: Command): void {
  const move = (name: 'fund' | 'return', sign: 1 | -1, description: string) =>
    rewards
      .command(name)
      .argument('<usd>', 'dollars', microUsd)
      .description(description)
      .option('--operation <id>', 'repeat a command with the same id to move the amount only once')
      .action((amount: number, { operation = randomUUID() }: { operation?: string }) =>
        withBus((bus) => fund(bus, sign * amount, operation)),
      );
  move('fund', 1, 'move fees of the platform into the fund of the rewards');
  move('return', -1, 'move money of the fund back to the fees');
}

async function show(bus: Bus, json: boolean): Promise<void> {
  const { services } = await import('#bus-schemas');
  const reply = await bus.call(services.settlement.rewardPolicy, {}, CALL);
  if (json) return console.log(JSON.stringify(reply));
  const { policy, next, fundMicroUsd, dueMicroUsd, days } = reply;
  console.log(policy === undefined ? 'No rewards are paid.' : sentences(policy));
  if (next)
    console.log(
      `From ${next.startsOn} on: ${next.policy === undefined ? 'no rewards.' : sentences(next.policy)}`,
    );
  console.log(`The fund has ${usd(fundMicroUsd)}; ${usd(dueMicroUsd)} are decided and not paid.`);
  if (days.length === 0) return;
  console.log(
    table([
      ['day', 'machines', 'rewarded', 'amount'],
      ...days.map(({ day, machines, rewarded, amountMicroUsd }) => [
        day,
        String(machines),
        String(rewarded),
        usd(amountMicroUsd),
      ]),
    ]),
  );
}

function sentences(policy: RewardPolicy): string {
  const { models, memoryMb, readyMinutes, requests, ageDays, level } = policy;
  const conditions = [
    `ready for ${readyMinutes / MINUTES_PER_HOUR} h with trust level ${level}`,
    `${requests} paid requests${models ? ` of ${models.join(', ')}` : ''}`,
    `linked ${ageDays} days before`,
    ...(memoryMb === undefined ? [] : [`${memoryMb / MB_PER_GB} GB of memory`]),
  ];
  return [
    `${usd(policy.amountMicroUsd)} for each machine and day: ${conditions.join('; ')}.`,
    `At most ${usd(policy.dayBudgetMicroUsd)} a day, and ${policy.ownerMachines} machines of one account.`,
  ].join(' ');
}

async function setPolicy(bus: Bus, amount: number, options: PolicyOptions): Promise<void> {
  const { services } = await import('#bus-schemas');
  if (amount === 0 || options.dayBudget === 0)
    throw new CommandError(EXIT.usage, 'Amount and budget must be above 0.');
  if (options.hours > HOURS_PER_DAY)
    throw new CommandError(EXIT.usage, `A day has ${HOURS_PER_DAY} hours.`);
  const { dayBudget, machines, hours, level, requests, age, models, memory } = options;
  const policy: RewardPolicy = {
    amountMicroUsd: amount,
    dayBudgetMicroUsd: dayBudget,
    ownerMachines: machines,
    readyMinutes: Math.round(hours * MINUTES_PER_HOUR),
    level,
    requests,
    ageDays: age,
    ...(models && { models }),
    ...(memory !== undefined && { memoryMb: memory * MB_PER_GB }),
  };
  const { startsOn } = await bus.call(services.settlement.setRewardPolicy, { policy }, CALL);
  console.log(`From ${startsOn} on: ${sentences(policy)}`);
  console.log('"dinf rewards fund" gives the fund the money.');
}

async function endPolicy(bus: Bus): Promise<void> {
  const { services } = await import('#bus-schemas');
  const { startsOn } = await bus.call(services.settlement.setRewardPolicy, {}, CALL);
  console.log(`No rewards are paid for ${startsOn} and later days.`);
}

async function fund(bus: Bus, amountMicroUsd: number, operation: string): Promise<void> {
  const { services } = await import('#bus-schemas');
  if (amountMicroUsd === 0) throw new CommandError(EXIT.usage, 'The amount must be above 0.');
  const request = { amountMicroUsd, operation: `cli:${operation}` };
  const funded = await bus.call(services.settlement.fundRewards, request, CALL);
  if (!funded.ok) {
    const { refusalError, settlementRefusals } = await import('#http-api/refusals.ts');
    throw refusalError(settlementRefusals.fundRewards[funded.code]);
  }
  console.log(`The fund has ${usd(funded.fundMicroUsd)}.`);
}

async function showDay(bus: Bus, at: number, json: boolean): Promise<void> {
  const { rewardReasonsText, services } = await import('#bus-schemas');
  const begin = at - (at % DAY_MS);
  let after: string | undefined;
  let machines = 0;
  do {
    const request = { from: begin, until: begin + 1, limit: PAGE, ...(after && { after }) };
    const { rows, next } = await bus.call(services.settlement.rewards, request, CALL);
    for (const row of rows)
      console.log(
        json
          ? JSON.stringify(row)
          : `${usd(row.amountMicroUsd)}  ${row.provider}  ${row.promotion === undefined ? '' : `${row.promotion}: `}${rewardReasonsText(row.reasons)}`.trimEnd(),
      );
    machines += rows.length;
    after = next;
  } while (after !== undefined);
  if (machines === 0 && !json) console.log('No rewards are decided for this day.');
}
