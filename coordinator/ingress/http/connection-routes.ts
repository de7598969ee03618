import { services } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import { refusalError, settlementRefusals } from '#http-api/refusals.ts';
import { type Api, MicroUsd, optional, orNull, strict } from './api.ts';
import { callerOf } from './authenticate.ts';

const Destination = Type.Object({
  kind: Type.Enum(['bank', 'card']),
  name: Type.String({ description: 'The bank, or the brand of the card.' }),
  last4: Type.String(),
  currency: Type.String(),
});

/** Routes about the account of a person at Stripe, which receives what they withdraw. */
export function addConnectionRoutes(api: Api): void {
  api.route({
    method: 'GET',
    url: '/v1/billing/connection',
    group: 'Money',
    access: 'user',
    summary: 'Your account at Stripe, which receives your withdrawals',
    description:
      '`none`: set it up with `POST /v1/billing/onboard`. `incomplete`: Stripe demands what `missing` names before it pays.',
    reply: Type.Object({
      state: Type.Enum(['none', 'incomplete', 'ready']),
      country: orNull(Type.String()),
      missing: Type.Array(Type.String()),
      destination: orNull(Destination),
    }),
    handle: async ({ request }) => {
      const { account } = callerOf(request);
      const read = await api.ask(services.settlement.connection, { account });
      if (!read.ok) throw refusalError(settlementRefusals.connection[read.code]);
      const { state, country = null, missing, destination = null } = read.connection;
      return { state, country, missing: [...missing], destination };
    },
  });
  api.route({
    method: 'POST',
    url: '/v1/billing/dashboard',
    group: 'Money',
    access: 'user',
    summary: 'Open your account at Stripe: returns a page that works once',
    audit: 'open-dashboard',
    reply: Type.Object({ url: Type.String() }),
    handle: async ({ request }) => {
      const { account } = callerOf(request);
      const made = await api.ask(services.settlement.dashboard, { account });
      if (!made.ok) throw refusalError(settlementRefusals.dashboard[made.code]);
      return { url: made.url };
    },
  });
  api.route({
    method: 'DELETE',
    url: '/v1/billing/connection',
    group: 'Money',
    access: 'user',
    summary: 'Disconnect and delete your account at Stripe',
    description:
      'Nothing can be withdrawn until a destination is set again with `POST /v1/billing/onboard`. The answer is 409 while a withdrawal is on its way, or while Stripe has not paid everything out.',
    audit: 'disconnect-stripe',
    reply: Type.Object({ disconnected: Type.Boolean() }),
    handle: async ({ request }) => {
      const { account } = callerOf(request);
      const done = await api.ask(services.settlement.disconnect, { account });
      if (!done.ok) throw refusalError(settlementRefusals.disconnect[done.code]);
      return { disconnected: true };
    },
  });
  api.route({
    method: 'GET',
    url: '/v1/billing/withdrawals/quote',
    group: 'Money',
    access: 'user',
    summary: 'What a withdrawal would cost, and when it would arrive',
    query: Type.Object(
      {
        amount_micro_usd: Type.Integer({ minimum: 1, maximum: 1_000_000_000_000 }),
        instant: optional(Type.Boolean()),
      },
      strict,
    ),
    reply: Type.Object({
      amount_micro_usd: MicroUsd,
      fee_micro_usd: MicroUsd,
      received_micro_usd: MicroUsd,
      arrives: Type.Enum(['within_minutes', 'within_days'], {
        description:
          'Instant payouts arrive within minutes, standard ones at the next payout of Stripe, usually within two business days.',
      }),
    }),
    example: { path: '/v1/billing/withdrawals/quote?amount_micro_usd=25000000&instant=true' },
    handle: async ({ query: { amount_micro_usd: amountMicroUsd, instant = false } }) => {
      const quote = await api.ask(services.settlement.quoteWithdrawal, { amountMicroUsd, instant });
      if (!quote.ok) throw refusalError(settlementRefusals.quoteWithdrawal[quote.code]);
      return {
        amount_micro_usd: quote.amountMicroUsd,
        fee_micro_usd: quote.feeMicroUsd,
        received_micro_usd: quote.receivedMicroUsd,
        arrives: instant ? ('within_minutes' as const) : ('within_days' as const),
      };
    },
  });
}
