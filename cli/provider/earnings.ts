import { type OwnEarnings, ownEarnings } from '#provider/own-earnings.ts';
import { earnedByModel, earnedInAll } from '#provider/service/earned-sums.ts';
import { usd } from '../printed-values.ts';
import { table } from '../table.ts';

interface EarningsOptions {
  readonly home: string;
  readonly by: 'model' | 'day' | 'job';
  readonly json?: boolean;
}

/** Prints what this machine earned, and the two ways to use it. */
export async function showEarnings({ home, by, json }: EarningsOptions): Promise<void> {
  const earnings = await ownEarnings(home);
  console.log(json ? JSON.stringify(earnings) : earningsScreen(earnings, by, Date.now()));
}

export function earningsScreen(
  earnings: OwnEarnings,
  by: EarningsOptions['by'],
  now: number,
): string {
  const { today, week, month } = earnedInAll(earnings.days, now);
  return [
    `This machine earned ${usd(today)} today, ${usd(week)} in 7 days and ${usd(month)} this month.`,
    '',
    ...(earnings.days.length === 0 ? [NOTHING] : [table(rowsBy[by](earnings, now))]),
    '',
    ...OFFERS,
  ].join('\n');
}

const NOTHING =
  'It has no paid answer in the last 31 days. "dinf provider status" gives the reason.';
/** Spending comes first: it works at once, without a fee and without Stripe. */
const OFFERS = [
  'Spend it: the money is in the account that owns this machine, and every API key of the',
  'account pays with it. POST /v1/keys makes a key. Calls to your own machines are free.',
  'Withdraw it: POST /v1/billing/withdrawals pays to your bank through Stripe, once the',
  'money has matured. GET /v1/balance shows when. A machine that the operator enrolled',
  'belongs to no account.',
];

const rowsBy: Readonly<
  Record<EarningsOptions['by'], (earnings: OwnEarnings, now: number) => string[][]>
> = {
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
};
