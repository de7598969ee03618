import pg from 'pg';
import type { Network } from '#network';

const DAY_MS = 86_400_000;
export const REWARD = 500_000;

/** A day of UTC, so many days ago. */
export const dayBefore = (days: number): string =>
  new Date(Date.now() - days * DAY_MS).toISOString().slice(0, 10);

const POLICY = {
  amountMicroUsd: REWARD,
  dayBudgetMicroUsd: 50_000_000,
  ownerMachines: 3,
  readyMinutes: 480,
  level: 'hardware',
  requests: 10,
  ageDays: 7,
};

/** Three days of a machine as settlement stores them: one was paid, two brought nothing. */
export async function addRewards(
  network: Network,
  { account, provider }: { readonly account: string; readonly provider: string },
): Promise<void> {
  const client = new pg.Client({ connectionString: network.databaseUrl });
  await client.connect();
  try {
    await client.query(
      `INSERT INTO reward_policies (starts_on, policy, set_at) VALUES ($1, $2, $1::date - 2) ON CONFLICT DO NOTHING`,
      [dayBefore(9), JSON.stringify(POLICY)],
    );
    const rows = [
      [dayBefore(2), REWARD, [], 1_330, 214],
      [dayBefore(3), 0, [{ reason: 'hours', has: 180, needs: 480 }], 180, 12],
      [dayBefore(4), 0, [{ reason: 'requests', has: 3, needs: 10 }], 900, 3],
    ] as const;
    for (const [day, amount, reasons, ready, requests] of rows) {
      await client.query(
        `INSERT INTO reward_days (day, policy, machines, rewarded, amount) VALUES ($1, $2, 1, 1, $3) ON CONFLICT DO NOTHING`,
        [day, JSON.stringify(POLICY), amount],
      );
      if (amount > 0) await pay(client, { account, operation: `base-reward:${day}:${provider}` });
      await client.query(
        `INSERT INTO machine_rewards (day, provider, account, amount, reasons, ready, serving, requests, paid_at)
         VALUES ($1, $2, $3, $4::bigint, $5, $6, 0, $7, CASE WHEN $4 > 0 THEN now() END)`,
        [day, provider, account, amount, JSON.stringify(reasons), ready, requests],
      );
    }
    await addPromotion(client, { account, provider });
  } finally {
    await client.end();
  }
}

/** A promotion that runs, and a day of it that brought nothing. */
async function addPromotion(
  client: pg.Client,
  { account, provider }: { account: string; provider: string },
): Promise<void> {
  const terms = {
    promotion: 'spring',
    models: ['sim-llama-8b'],
    microUsdPerMillion: 200_000,
    startsOn: dayBefore(9),
    endsOn: dayBefore(-9),
    capMicroUsd: 5_000_000,
    ownerDayMicroUsd: 1_000_000,
    customerDayMicroUsd: 500_000,
  };
  await client.query(
    `INSERT INTO token_promotions (name, terms, starts_on, ends_on, set_at) VALUES ($1, $2, $3, $4, $3::date - 2) ON CONFLICT DO NOTHING`,
    [terms.promotion, JSON.stringify(terms), terms.startsOn, terms.endsOn],
  );
  await client.query(
    `INSERT INTO promotion_days (promotion, day, machines, amount) VALUES ($1, $2, 1, 0) ON CONFLICT DO NOTHING`,
    [terms.promotion, dayBefore(4)],
  );
  await client.query(
    `INSERT INTO machine_promotions (promotion, day, provider, account, tokens, amount, reasons, requests)
     VALUES ($1, $2, $3, $4, 0, 0, '[{"reason":"unpaid"}]', 2)`,
    [terms.promotion, dayBefore(4), provider, account],
  );
}

/** The fund is left out: the money of this payment comes from outside. */
const pay = (client: pg.Client, { account, operation }: { account: string; operation: string }) =>
  client.query(
    `SELECT ledger_post($1, 'base_reward', '', ARRAY['consumer:' || $2, 'external:promotions'], ARRAY['consumer', 'external'],
       ARRAY[$3::bigint, -$3::bigint], ARRAY[$3::bigint, 0], 'evt.settlement.posted', '')`,
    [operation, account, REWARD],
  );
