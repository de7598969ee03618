import type { Pool } from 'pg';
import type { MachineReward, MessageOf, RewardReason, services } from '#bus-schemas';
import { query } from '#coordinator/sql.ts';
import { rowsStatement } from './reward-store.ts';

type Request = MessageOf<typeof services.settlement.rewards.request>;

interface Row {
  readonly day: string;
  readonly provider: string;
  readonly account: string | null;
  readonly amount: number;
  readonly paidAt: Date | null;
  readonly ready: number;
  readonly serving: number;
  readonly requests: number;
  readonly tokens: number | null;
  readonly promotion: string | null;
  readonly reasons: RewardReason[];
  /** Orders the rows of a day. */
  readonly name: string;
}

const DAY_MS = 86_400_000;
const MICROSECONDS_PER_MS = 1_000;
const FIRST_DAY = '1970-01-01';
const NO_DAY = '9999-12-31';

/** Reads a page of rewards, newest day first, with a row for each machine, also for zero. */
export async function rewardRows(
  database: Pool,
  { account, provider, from, until, after, limit }: Request,
): Promise<{ rows: MachineReward[]; next?: string }> {
  const [day, machine] = after === undefined ? [NO_DAY, ''] : parseCursor(after);
  const rows = await query<Row>(database, rowsStatement, [
    account ?? null,
    provider ?? null,
    from === undefined ? FIRST_DAY : dayOf(from),
    // A day that has begun at this time is a part of the period.
    until === undefined ? NO_DAY : dayOf(until + DAY_MS - 1),
    day,
    machine,
    limit,
  ]);
  const last = rows.at(-1);
  return {
    rows: rows.map(rewardOf),
    ...(rows.length === limit && last && { next: cursorOf(last) }),
  };
}

function rewardOf({
  account,
  amount,
  paidAt,
  ready,
  serving,
  requests,
  day,
  provider,
  reasons,
  tokens,
  promotion,
}: Row): MachineReward {
  return {
    day,
    provider,
    reasons,
    amountMicroUsd: amount,
    readyMinutes: ready,
    servingMinutes: serving,
    requests,
    ...(account !== null && { account }),
    ...(tokens !== null && { tokens }),
    ...(promotion !== null && { promotion }),
    ...(paidAt !== null && { paidAt: paidAt.getTime() }),
  };
}

/** The latest day that a database and a Date both can represent is later than any reward. */
const MAX_AT = Date.parse('9999-12-30');
const dayOf = (at: number): string => new Date(Math.min(at, MAX_AT)).toISOString().slice(0, 10);

/** As in other lists of money: microseconds since 1970 and the name of the row. */
const cursorOf = ({ day, name }: Row): string => `${Date.parse(day) * MICROSECONDS_PER_MS} ${name}`;

function parseCursor(after: string): [string, string] {
  const end = after.indexOf(' ');
  const at = Number(after.slice(0, end)) / MICROSECONDS_PER_MS;
  return [dayOf(Number.isFinite(at) ? at : 0), after.slice(end + 1)];
}
