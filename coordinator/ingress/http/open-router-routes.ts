import { type KeyRecord, SPENDING_WINDOWS, type SpendingWindow, services } from '#bus-schemas';
import { type Static, Type } from '#bus-schemas/type.ts';
import { type Api, asTime, orNull } from './api.ts';
import { callerOf } from './authenticate.ts';
import type { Spending } from './key-fields.ts';

/** Balance and key in OpenRouter's format. Its amounts are dollars. */

const MICRO = 1_000_000;
const Dollars = Type.Number({ description: 'US dollars.' });
/** OpenRouter's names of the windows of a spending limit; a limit in total has no reset. */
const RESETS: Readonly<Record<SpendingWindow, string | null>> = {
  day: 'daily',
  week: 'weekly',
  month: 'monthly',
  total: null,
};

export const OpenRouterKey = Type.Object({
  label: Type.String(),
  usage: Dollars,
  usage_daily: Dollars,
  usage_weekly: Dollars,
  usage_monthly: Dollars,
  limit: Type.Union([Dollars, Type.Null()], {
    description: 'The spending limit of the key that has the least left; null without a limit.',
  }),
  limit_remaining: orNull(Dollars),
  limit_reset: orNull(Type.String({ description: 'daily, weekly or monthly.' })),
  is_free_tier: Type.Boolean(),
  expires_at: orNull(Type.String()),
});

export function addCreditsRoute(api: Api): void {
  api.route({
    method: 'GET',
    url: '/v1/credits',
    group: 'Money',
    access: 'keyOrUser',
    summary: "The balance of the account in OpenRouter's format",
    description:
      'The difference of the two amounts is the available balance. `total_usage` has the charges and open holds of all keys of the account.',
    reply: Type.Object({ data: Type.Object({ total_credits: Dollars, total_usage: Dollars }) }),
    handle: async ({ request }) => {
      const { account } = callerOf(request);
      const [{ availableMicroUsd }, { keys }] = await Promise.all([
        api.ask(services.settlement.balance, { account }),
        api.ask(services.settlement.keySpending, { account }),
      ]);
      const used = keys.reduce((sum, key) => sum + key.used.total, 0);
      return {
        data: { total_credits: (availableMicroUsd + used) / MICRO, total_usage: used / MICRO },
      };
    },
  });
}

export function openRouterKey(
  { hint, expiresAt }: Pick<KeyRecord, 'hint' | 'expiresAt'>,
  { caps, used }: Spending,
): Static<typeof OpenRouterKey> {
  const limits = SPENDING_WINDOWS.flatMap((window) => {
    const cap = caps[window];
    return cap === undefined ? [] : [{ window, cap, left: Math.max(0, cap - used[window]) }];
  });
  const tightest = limits.toSorted((one, other) => one.left - other.left)[0];
  return {
    label: hint,
    usage: used.total / MICRO,
    usage_daily: used.day / MICRO,
    usage_weekly: used.week / MICRO,
    usage_monthly: used.month / MICRO,
    limit: tightest === undefined ? null : tightest.cap / MICRO,
    limit_remaining: tightest === undefined ? null : tightest.left / MICRO,
    limit_reset: tightest === undefined ? null : RESETS[tightest.window],
    is_free_tier: false,
    expires_at: expiresAt === undefined ? null : asTime(expiresAt),
  };
}
