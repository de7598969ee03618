import { type Deposit, services } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import { refusalError, settlementRefusals } from '#http-api/refusals.ts';
import { type Api, asTime, LIST, listOf, MicroUsd, orNull } from './api.ts';
import { callerOf } from './authenticate.ts';

const DepositAnswer = Type.Object({
  id: Type.String(),
  at: Type.String({ description: 'When it was credited; before that, when it was ordered.' }),
  amount_micro_usd: MicroUsd,
  returned_micro_usd: MicroUsd,
  state: Type.Enum(['pending', 'paid', 'expired']),
});
const ById = Type.Object({ id: Type.String({ pattern: '^dep_[a-z0-9]{20}$' }) });

/** Routes about the payments with which an account bought credit. */
export function addDepositRoutes(api: Api): void {
  api.route({
    method: 'GET',
    url: '/v1/billing/deposits',
    group: 'Money',
    access: 'user',
    summary: 'Your last 100 deposits, newest first',
    reply: listOf(DepositAnswer),
    handle: async ({ request }) => {
      const { account } = callerOf(request);
      const { deposits } = await api.ask(services.settlement.deposits, { account });
      return { object: LIST, data: deposits.map(depositAnswer) };
    },
  });
  api.route({
    method: 'GET',
    url: '/v1/billing/deposits/:id/receipt',
    group: 'Money',
    access: 'user',
    summary: 'The receipt of a deposit',
    description:
      '`receipt_url` is the receipt of Stripe, which took the payment; null if Stripe has none.',
    params: ById,
    reply: Type.Object({
      deposit: DepositAnswer,
      payment: Type.String({ description: "Stripe's name of the payment." }),
      receipt_url: orNull(Type.String()),
    }),
    example: { path: '/v1/billing/deposits/dep_0123456789abcdefghij/receipt' },
    handle: async ({ request, params }) => {
      const { account } = callerOf(request);
      const asked = { account, deposit: params.id };
      const receipt = await api.ask(services.settlement.depositReceipt, asked);
      if (!receipt.ok) throw refusalError(settlementRefusals.depositReceipt[receipt.code]);
      const { deposit, payment, receiptUrl = null } = receipt;
      return { deposit: depositAnswer(deposit), payment, receipt_url: receiptUrl };
    },
  });
}

const depositAnswer = ({ deposit, at, amountMicroUsd, returnedMicroUsd, state }: Deposit) => ({
  id: deposit,
  at: asTime(at),
  amount_micro_usd: amountMicroUsd,
  returned_micro_usd: returnedMicroUsd,
  state,
});
