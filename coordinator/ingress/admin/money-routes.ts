import { services } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import { asTime, LIST, listOf, MicroUsd, orNull, strict } from '../http/api.ts';
import type { AdminApi } from './admin-api.ts';

/** Routes for the money of the network: what is proved, parked, or open at Stripe. */
export function addOperatorMoneyRoutes(admin: AdminApi): void {
  admin.read({
    url: '/admin/books',
    summary: 'The proof that the ledger balances',
    description:
      'Checks the entries since the last proof. Every count but `open_holds`, `parked` and `new_entries` is a number of violations.',
    reply: Type.Object({
      ok: Type.Boolean(),
      open_holds: Type.Integer(),
      overdue_holds: Type.Integer(),
      orphan_holds: Type.Integer(),
      drifted_balances: Type.Integer(),
      unbalanced_transactions: Type.Integer(),
      negative_balances: Type.Integer(),
      overcharged_receipts: Type.Integer(),
      double_ended: Type.Integer(),
      stripe_drift_micro_usd: orNull(
        Type.Integer({
          description: 'What Stripe has in excess of the ledger; null without Stripe.',
        }),
      ),
      parked: Type.Integer(),
      new_entries: Type.Integer(),
    }),
    handle: async () => {
      const proof = await admin.ask(services.settlement.verify, {});
      return {
        ok: proof.ok,
        open_holds: proof.openHolds,
        overdue_holds: proof.overdueHolds,
        orphan_holds: proof.orphanHolds,
        drifted_balances: proof.driftedBalances,
        unbalanced_transactions: proof.unbalancedTransactions,
        negative_balances: proof.negativeBalances,
        overcharged_receipts: proof.overchargedReceipts,
        double_ended: proof.doubleEnded,
        stripe_drift_micro_usd: proof.stripeDriftMicroUsd ?? null,
        parked: proof.parked,
        new_entries: proof.newEntries,
      };
    },
  });
  admin.read({
    url: '/admin/parked',
    summary: 'Facts of settlement that the bus refused',
    reply: listOf(
      Type.Object({
        id: Type.String(),
        subject: Type.String(),
        messages: Type.Integer(),
        parked_at: Type.String(),
        reason: Type.String(),
      }),
    ),
    handle: async () => {
      const { rows } = await admin.ask(services.settlement.parked, {});
      const data = rows.map(({ parkedAt, ...row }) => ({ ...row, parked_at: asTime(parkedAt) }));
      return { object: LIST, data };
    },
  });
  admin.change('replay-parked', {
    method: 'POST',
    url: '/admin/parked/replay',
    summary: 'Publish parked facts again',
    body: Type.Object(
      {
        ids: Type.Array(Type.String({ pattern: '^[0-9]{1,19}$' }), {
          minItems: 1,
          maxItems: 1_000,
        }),
      },
      strict,
    ),
    reply: Type.Object({ rows: Type.Integer() }),
    example: { body: { ids: ['42'] } },
    handle: ({ body }) => admin.ask(services.settlement.replay, { ids: body.ids }),
  });
  admin.read({
    url: '/admin/payouts',
    summary: 'Withdrawals that are neither paid nor failed, oldest first',
    reply: listOf(
      Type.Object({
        id: Type.String(),
        account: Type.String(),
        amount_micro_usd: MicroUsd,
        fee_micro_usd: MicroUsd,
        instant: Type.Boolean(),
        state: Type.String(),
        at: Type.String(),
      }),
    ),
    handle: async () => {
      const { payouts } = await admin.ask(services.settlement.openPayouts, {});
      return {
        object: LIST,
        data: payouts.map((payout) => ({
          id: payout.payout,
          account: payout.account,
          amount_micro_usd: payout.amountMicroUsd,
          fee_micro_usd: payout.feeMicroUsd,
          instant: payout.instant,
          state: payout.state,
          at: asTime(payout.at),
        })),
      };
    },
  });
}
