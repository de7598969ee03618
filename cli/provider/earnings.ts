import { type OwnEarnings, ownEarnings } from '#provider/own-earnings.ts';
import { earnedByModel, earnedInAll } from '#provider/service/earned-sums.ts';
import { usd } from '../printed-values.ts';
import { table } from '../table.ts';
import type { EarningsBy } from './service-commands.ts';

interface EarningsOptions {
  readonly home: string;
  readonly by: EarningsBy;
  readonly json?: boolean;
}

/** Prints what this machine earned, and the two ways to use it. */
export async function showEarnings({ home, by, json }: EarningsOptions): Promise<void> {
  const earnings = await ownEarnings(home);
  console.log(json ? JSON.stringify(earnings) : earningsScreen(earnings, by, Date.now()));
}

export function earningsScreen(earnings: OwnEarnings, by: EarningsBy, now: number): string {
  const rows = rowsBy[by](earnings, now);
  return [
    `This machine earned ${sums(earnings.days, now)}.`,
    ...(earnings.rewards.length === 0
      ? []
      : [`Rewards beside its answers: ${sums(earnings.rewards, now)}.`]),
    '',
    ...(rows.length === 1 ? [by === 'reward' ? NO_REWARD : NOTHING] : [table(rows)]),
    '',
    ...OFFERS,
  ].join('\n');
}

function sums(rows: Parameters<typeof earnedInAll>[0], now: number): string {
  const { today, week, month } = earnedInAll(rows, now);
  return `${usd(today)} today, ${usd(week)} in 7 days and ${usd(month)} this month`;
}

const NOTHING =
  'It has no paid answer in the last 31 days. "dinf provider status" gives the reason.';
const NO_REWARD =
  'No rewards were decided for it in the last 31 days. Not every network pays them.';
/** Spending comes first: it works at once, without a fee and without Stripe. */
const OFFERS = [
  'Spend it: the money is in the account that owns this machine, and every API key of the',
  'account pays with it. POST /v1/keys makes a key. Calls to your own machines are free.',
  'Withdraw it: POST /v1/billing/withdrawals pays to your bank through Stripe, once the',
  'money has matured. GET /v1/balance shows when. A machine that the operator enrolled',
  'belongs to no account.',
];

const rowsBy: Readonly<Record<EarningsBy, (earnings: OwnEarnings, now: number) => string[][]>> = {
  model: ({ days }, now) => [
    ['model', 'today', '7 days', 'this month'],
    ...earnedByModel(days, now).map(({ model, sums }) => [
      model,
      usd(sums.today),
      usd(sums.week),
      usd(sums.month),
    ]),
  ],
  day: ({ days }) => [
    ['day and model', 'jobs', 'tokens read', 'tokens written', 'earned'],
    ...days.map((row) => [
      `${row.day}  ${row.model}`,
      String(row.jobs),
      String(row.prompt_tokens),
      String(row.completion_tokens),
      usd(row.amount_micro_usd),
    ]),
  ],
  job: ({ jobs }) => [
    ['job', 'ended', 'model', 'tokens read', 'tokens written', 'earned'],
    ...jobs.map((row) => [
      row.job_id,
      row.at,
      row.model,
      String(row.prompt_tokens),
      String(row.completion_tokens),
      usd(row.amount_micro_usd),
    ]),
  ],
  reward: ({ rewards }) => [
    ['day and reward', 'amount', 'state'],
    ...rewards.map(({ day, promotion, amount_micro_usd: amount, is_paid: isPaid, because }) => [
      `${day}  ${promotion ?? 'base reward'}`,
      usd(amount),
      because ?? (isPaid ? 'paid' : 'is paid soon'),
    ]),
  ],
};
