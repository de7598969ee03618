import { services } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import { refusalError, settlementRefusals } from '#http-api/refusals.ts';
import { MicroUsd, strict } from '../http/api.ts';
import {
  DecidedDay,
  POLICIES,
  PolicyFields,
  policiesOf,
  policyFrom,
} from '../http/reward-policy.ts';
import type { AdminApi } from './admin-api.ts';

const Started = Type.Object({
  starts_on: Type.String({ description: 'The first day of UTC with this policy.' }),
});

/** Routes for what the network pays to machines for being ready. */
export function addOperatorRewardRoutes(admin: AdminApi): void {
  admin.read({
    url: '/admin/rewards',
    summary: 'The policy of base rewards, their fund, and the last 31 days',
    reply: Type.Object({
      ...POLICIES,
      fund_micro_usd: MicroUsd,
      due_micro_usd: MicroUsd,
      days: Type.Array(DecidedDay),
    }),
    handle: async () => {
      const reply = await admin.ask(services.settlement.rewardPolicy, {});
      return {
        ...policiesOf(reply),
        fund_micro_usd: reply.fundMicroUsd,
        due_micro_usd: reply.dueMicroUsd,
        days: reply.days.map(({ amountMicroUsd, ...day }) => ({
          ...day,
          amount_micro_usd: amountMicroUsd,
        })),
      };
    },
  });
  admin.change('set-reward-policy', {
    method: 'PUT',
    url: '/admin/rewards/policy',
    summary: 'Set what machines get for a day, from the next day of UTC on',
    body: PolicyFields,
    reply: Started,
    example: {
      body: {
        amount_micro_usd: 500_000,
        day_budget_micro_usd: 50_000_000,
        machines_per_account: 3,
        ready_minutes: 480,
        trust_level: 'hardware',
        requests: 10,
        age_days: 7,
        models: null,
        memory_mb: null,
      },
    },
    handle: async ({ body }) => {
      const { startsOn } = await admin.ask(services.settlement.setRewardPolicy, {
        policy: policyFrom(body),
      });
      return { starts_on: startsOn };
    },
  });
  admin.change('end-rewards', {
    method: 'DELETE',
    url: '/admin/rewards/policy',
    summary: 'Pay no base rewards from the next day of UTC on',
    reply: Started,
    handle: async () => {
      const { startsOn } = await admin.ask(services.settlement.setRewardPolicy, {});
      return { starts_on: startsOn };
    },
  });
  admin.change('fund-rewards', {
    method: 'POST',
    url: '/admin/rewards/fund',
    summary: 'Move fees of the platform into the fund of base rewards',
    description:
      'A negative amount moves money back. Two calls with the same `operation` move it once. Days that the fund does not cover are not paid.',
    body: Type.Object(
      {
        amount_micro_usd: Type.Integer({
          minimum: -1_000_000_000_000,
          maximum: 1_000_000_000_000,
        }),
        operation: Type.String({ minLength: 8, maxLength: 100 }),
      },
      strict,
    ),
    reply: Type.Object({ fund_micro_usd: MicroUsd }),
    example: { body: { amount_micro_usd: 5_000_000, operation: 'rewards-of-december' } },
    handle: async ({ body }) => {
      const funded = await admin.ask(services.settlement.fundRewards, {
        amountMicroUsd: body.amount_micro_usd,
        operation: `admin:${body.operation}`,
      });
      if (funded.ok) return { fund_micro_usd: funded.fundMicroUsd };
      throw refusalError(settlementRefusals.fundRewards[funded.code]);
    },
  });
}
