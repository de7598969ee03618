import { byName, SPENDING_WINDOWS, services } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import { type Api, asTime, LIST, listOf, MicroUsd, optional, strict, timeOf, When } from './api.ts';
import { callerOf } from './authenticate.ts';
import { Spent } from './key-fields.ts';

/** Routes of a person: their account and its changes. */
export function addAccountRoutes(api: Api): void {
  api.route({
    method: 'GET',
    url: '/v1/me',
    group: 'Account',
    access: 'user',
    summary: 'Your account and balance',
    reply: Type.Object({
      user: Type.String(),
      account: Type.String(),
      available_micro_usd: MicroUsd,
      withdrawable_micro_usd: MicroUsd,
      earned_micro_usd: MicroUsd,
      spent_micro_usd: Spent,
      machines: Type.Integer(),
    }),
    handle: async ({ request }) => {
      const { account, user = '' } = callerOf(request);
      const [balance, earnings, { keys }, { machines }] = await Promise.all([
        api.ask(services.settlement.balance, { account }),
        api.ask(services.settlement.earnings, { account }),
        api.ask(services.settlement.keySpending, { account }),
        api.ask(services.trust.machines, { account }),
      ]);
      return {
        user,
        account,
        available_micro_usd: balance.availableMicroUsd,
        withdrawable_micro_usd: balance.withdrawableMicroUsd,
        earned_micro_usd: earnings.lifetimeMicroUsd,
        spent_micro_usd: byName(SPENDING_WINDOWS, (window) =>
          keys.reduce((sum, { used }) => sum + used[window], 0),
        ),
        machines: machines.filter(({ revokedAt }) => revokedAt === undefined).length,
      };
    },
  });
  api.route({
    method: 'GET',
    url: '/v1/me/changes',
    group: 'Account',
    access: 'user',
    summary: 'Changes of your account, newest first',
    description:
      'The list has changes of keys, machines, prices, codes and withdrawals, and each sign-in to the console, with its outcome. It does not include changes by operators.',
    query: Type.Object(
      { before: optional(When), limit: optional(Type.Integer({ minimum: 1, maximum: 1_000 })) },
      strict,
    ),
    reply: listOf(
      Type.Object({
        at: Type.String(),
        action: Type.String(),
        subject: Type.String(),
        detail: Type.String(),
        outcome: Type.String(),
      }),
    ),
    handle: async ({ request, query }) => {
      const before = timeOf(query.before, 'before');
      const { account } = callerOf(request);
      const asked = {
        operator: account,
        limit: query.limit ?? 100,
        ...(before !== undefined && { before }),
      };
      const { rows } = await api.ask(services.accounts.listAudit, asked);
      return { object: LIST, data: rows.map(({ at, ...row }) => ({ ...row, at: asTime(at) })) };
    },
  });
}
