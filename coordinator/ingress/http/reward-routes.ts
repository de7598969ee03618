import { type MachineReward, ProviderId, REWARD_REASONS, services } from '#bus-schemas';
import { type Static, Type } from '#bus-schemas/type.ts';
import { type Api, asTime, LIST, listOf, MicroUsd, optional, orNull, strict } from './api.ts';
import { callerOf } from './authenticate.ts';
import {
  CSV_HELP,
  type MoneyPage,
  moneyPageOf,
  PageQuery,
  periodOf,
  sendRows,
} from './money-pages.ts';
import { PROMOTION_FIELDS, promotionFields } from './promotion-fields.ts';
import { Because, becauseOf, RewardPromotion } from './reward-fields.ts';
import { POLICIES, policiesOf } from './reward-policy.ts';

/** The columns of a table. The API also has `reasons` as a list, for programs. */
const COLUMNS = {
  day: Type.String({ description: 'A day of UTC, such as 2026-11-28.' }),
  provider: Type.String(),
  amount_micro_usd: MicroUsd,
  paid_at: orNull(
    Type.String({ description: 'Null for zero, and until the amount is on the balance.' }),
  ),
  ready_minutes: Type.Integer(),
  serving_minutes: Type.Integer(),
  requests: Type.Integer({ description: 'Answers to other accounts that were paid with money.' }),
  because: Because,
  promotion: RewardPromotion,
  tokens: orNull(
    Type.Integer({ description: 'Answer tokens that the promotion counted; null without one.' }),
  ),
};
const Reason = Type.Object({
  reason: Type.Enum(REWARD_REASONS),
  has: orNull(Type.Integer()),
  needs: orNull(Type.Integer()),
});
const RewardRow = Type.Object({ ...COLUMNS, reasons: Type.Array(Reason) });

/** Routes of a person for the base rewards of their machines. */
export function addRewardRoutes(api: Api): void {
  api.route({
    method: 'GET',
    url: '/v1/rewards',
    group: 'Money',
    access: 'user',
    summary: 'Base rewards and promotions of your machines by day, newest first',
    description: `A row for each machine and day, also for zero, with the reason. There are no rows while the network pays neither. ${CSV_HELP}`,
    query: Type.Object({ ...PageQuery, provider: optional(ProviderId) }, strict),
    reply: moneyPageOf(RewardRow),
    sendsCsv: true,
    handle: async ({ request, query, reply }) => {
      const { from, until, provider } = query;
      const { account } = callerOf(request);
      const pageAfter = async (
        after: string | undefined,
        limit: number,
      ): Promise<MoneyPage<Static<typeof RewardRow>>> => {
        const { rows, next } = await api.ask(services.settlement.rewards, {
          account,
          limit,
          ...periodOf(from, until),
          ...(provider !== undefined && { provider }),
          ...(after !== undefined && { after }),
        });
        return { data: rows.map(rewardRow), next, onlineSince: undefined };
      };
      return sendRows(reply, { columns: Object.keys(COLUMNS), query, pageAfter });
    },
  });
  api.route({
    method: 'GET',
    url: '/v1/rewards/policy',
    group: 'Money',
    access: 'user',
    summary: 'What a machine must do for the base reward of a day, and how much it is',
    description:
      'Null while the network pays no base rewards. A change is valid from the next day of UTC on, so no day is decided by conditions that came later.',
    reply: Type.Object(POLICIES),
    handle: async () => policiesOf(await api.ask(services.settlement.rewardPolicy, {})),
  });
}

/** Promotions that are not over, for owners who choose what a machine serves. */
export function addPromotionRoute(api: Api): void {
  api.route({
    method: 'GET',
    url: '/v1/rewards/promotions',
    group: 'Money',
    access: 'user',
    summary: 'Models for whose answer tokens the network pays extra, and until when',
    reply: listOf(
      Type.Object({
        ...PROMOTION_FIELDS,
        left_micro_usd: Type.Integer({ description: 'What the promotion may still pay.' }),
      }),
    ),
    handle: async () => {
      const { promotions } = await api.ask(services.settlement.promotions, {});
      return {
        object: LIST,
        data: promotions.map(({ promotion, spentMicroUsd }) => ({
          ...promotionFields(promotion),
          left_micro_usd: promotion.capMicroUsd - spentMicroUsd,
        })),
      };
    },
  });
}

const rewardRow = ({
  day,
  provider,
  amountMicroUsd,
  paidAt,
  readyMinutes,
  servingMinutes,
  requests,
  promotion,
  tokens,
  reasons,
}: MachineReward): Static<typeof RewardRow> => ({
  day,
  provider,
  amount_micro_usd: amountMicroUsd,
  paid_at: paidAt === undefined ? null : asTime(paidAt),
  ready_minutes: readyMinutes,
  serving_minutes: servingMinutes,
  requests,
  promotion: promotion ?? null,
  tokens: tokens ?? null,
  because: becauseOf(reasons),
  reasons: reasons.map(({ reason, has, needs }) => ({
    reason,
    has: has ?? null,
    needs: needs ?? null,
  })),
});
