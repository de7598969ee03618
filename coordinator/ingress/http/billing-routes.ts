import { randomToken, services } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import { refusalError, settlementRefusals } from '#http-api/refusals.ts';
import { type Api, asTime, LIST, MicroUsd, optional, strict } from './api.ts';
import { callerOf } from './authenticate.ts';
import type { RedirectHosts } from './redirect-hosts.ts';

const Url = Type.String({ minLength: 8, maxLength: 2_048, pattern: '^https?://' });
const REDIRECTS =
  'Stripe sends people back only to the address of this network (`DINF_PUBLIC_URL`), to hosts that its operator lists (`DINF_REDIRECT_HOSTS`), and to their own computer.';
const Withdrawal = Type.Object({
  id: Type.String(),
  amount_micro_usd: MicroUsd,
  fee_micro_usd: MicroUsd,
  instant: Type.Boolean(),
  state: Type.String(),
  returned: Type.Boolean(),
  at: Type.String(),
});

/**
 * Routes that buy credit and pay out earnings through Stripe. Without Stripe they answer that there
 * is none.
 */
export function addBillingRoutes(api: Api, redirects: RedirectHosts): void {
  api.route({
    method: 'POST',
    url: '/v1/billing/checkout',
    group: 'Money',
    access: 'user',
    summary: 'Buy credit: returns a payment page of Stripe',
    description: REDIRECTS,
    audit: 'checkout',
    body: Type.Object(
      {
        amount_micro_usd: Type.Integer({ minimum: 1, maximum: 1_000_000_000_000 }),
        success_url: Url,
        cancel_url: Url,
        operation: optional(Type.String({ minLength: 8, maxLength: 80 })),
      },
      strict,
    ),
    reply: Type.Object({ session: Type.String(), url: Type.String() }),
    example: {
      body: {
        amount_micro_usd: 5_000_000,
        success_url: 'http://localhost:8080/money',
        cancel_url: 'http://localhost:8080/money',
      },
    },
    handle: async ({ request, body }) => {
      const { account } = callerOf(request);
      redirects.check('success_url', body.success_url);
      redirects.check('cancel_url', body.cancel_url);
      const operation = `checkout:${account}:${body.operation ?? randomToken(24)}`;
      const made = await api.ask(services.settlement.checkout, {
        account,
        amountMicroUsd: body.amount_micro_usd,
        successUrl: body.success_url,
        cancelUrl: body.cancel_url,
        operation,
      });
      if (made.ok) return { session: made.session, url: made.url };
      throw refusalError(settlementRefusals.checkout[made.code]);
    },
  });
  api.route({
    method: 'POST',
    url: '/v1/billing/onboard',
    group: 'Money',
    access: 'user',
    summary: 'Set the destination of earnings: returns a page of Stripe',
    description: REDIRECTS,
    audit: 'onboard',
    body: Type.Object({ return_url: Url, refresh_url: Url }, strict),
    reply: Type.Object({ url: Type.String() }),
    example: {
      body: {
        return_url: 'http://localhost:8080/earnings',
        refresh_url: 'http://localhost:8080/earnings',
      },
    },
    handle: async ({ request, body }) => {
      redirects.check('return_url', body.return_url);
      redirects.check('refresh_url', body.refresh_url);
      const made = await api.ask(services.settlement.onboard, {
        account: callerOf(request).account,
        returnUrl: body.return_url,
        refreshUrl: body.refresh_url,
      });
      if (made.ok) return { url: made.url };
      throw refusalError(settlementRefusals.onboard[made.code]);
    },
  });
  api.route({
    method: 'POST',
    url: '/v1/billing/withdrawals',
    group: 'Money',
    access: 'user',
    summary: 'Withdraw earnings',
    audit: 'withdraw',
    description: 'Two calls with the same `operation` make one withdrawal.',
    body: Type.Object(
      {
        amount_micro_usd: Type.Integer({ minimum: 1, maximum: 1_000_000_000_000 }),
        instant: optional(Type.Boolean()),
        operation: Type.String({ minLength: 8, maxLength: 80 }),
      },
      strict,
    ),
    reply: Withdrawal,
    example: { body: { amount_micro_usd: 25_000_000, operation: 'january-2026' } },
    handle: async ({ request, body }) => {
      const { account } = callerOf(request);
      const made = await api.ask(services.settlement.withdraw, {
        account,
        amountMicroUsd: body.amount_micro_usd,
        instant: body.instant ?? false,
        operation: `withdraw:${account}:${body.operation}`,
      });
      if (made.ok) return withdrawal(made.payout);
      throw refusalError(settlementRefusals.withdraw[made.code]);
    },
  });
  api.route({
    method: 'GET',
    url: '/v1/billing/withdrawals',
    group: 'Money',
    access: 'user',
    summary: 'Your withdrawals',
    reply: Type.Object({
      object: Type.Literal(LIST),
      onboarded: Type.Boolean(),
      data: Type.Array(Withdrawal),
    }),
    handle: async ({ request }) => {
      const { payouts, onboarded } = await api.ask(services.settlement.payouts, {
        account: callerOf(request).account,
      });
      return { object: LIST, onboarded, data: payouts.map(withdrawal) };
    },
  });
}

function withdrawal({
  payout,
  amountMicroUsd,
  feeMicroUsd,
  instant,
  state,
  returned,
  at,
}: {
  payout: string;
  amountMicroUsd: number;
  feeMicroUsd: number;
  instant: boolean;
  state: string;
  returned: boolean;
  at: number;
}) {
  return {
    id: payout,
    amount_micro_usd: amountMicroUsd,
    fee_micro_usd: feeMicroUsd,
    instant,
    state,
    returned,
    at: asTime(at),
  };
}
