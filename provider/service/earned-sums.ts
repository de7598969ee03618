import type { OwnEarnings } from '../own-earnings.ts';

/** Sums of a machine's earnings in millionths of a US dollar; days are those of UTC. */
export interface EarnedSums {
  readonly today: number;
  /** Today and the six days before it. */
  readonly week: number;
  /** Since the first day of the month. */
  readonly month: number;
}

const DAY_MS = 86_400_000;
const NOTHING: EarnedSums = { today: 0, week: 0, month: 0 };

/** An amount of a day of UTC. */
type Row = Pick<OwnEarnings['days'][number], 'day' | 'amount_micro_usd'>;

/** The sums over all rows. */
export const earnedInAll = (rows: readonly Row[], now: number): EarnedSums =>
  rows.reduce((sums, row) => plus(sums, row, now), NOTHING);

/** The sums of each model, the one that earned most this month first. */
export function earnedByModel(
  days: OwnEarnings['days'],
  now: number,
): readonly { readonly model: string; readonly sums: EarnedSums }[] {
  const groups = Map.groupBy(days, ({ model }) => model);
  return [...groups]
    .map(([model, rows]) => ({ model, sums: earnedInAll(rows, now) }))
    .toSorted((one, other) => other.sums.month - one.sums.month || other.sums.week - one.sums.week);
}

function plus(sums: EarnedSums, { day, amount_micro_usd: amount }: Row, now: number): EarnedSums {
  const today = dayOf(now);
  return {
    today: sums.today + (day === today ? amount : 0),
    week: sums.week + (day > dayOf(now - 7 * DAY_MS) ? amount : 0),
    month: sums.month + (day.slice(0, 7) === today.slice(0, 7) ? amount : 0),
  };
}

const dayOf = (time: number): string => new Date(time).toISOString().slice(0, 10);
