import { services } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import { ApiError } from '#http-api/errors.ts';
import { LIST, listOf, MicroUsd, strict } from '../http/api.ts';
import { PROMOTION_FIELDS, promotionFields } from '../http/promotion-fields.ts';
import type { AdminApi } from './admin-api.ts';

const ByName = Type.Object({ name: Type.String({ minLength: 1, maxLength: 40 }) }, strict);

/** Routes for what the network pays extra for the answer tokens of some models. */
export function addPromotionRoutes(admin: AdminApi): void {
  admin.read({
    url: '/admin/rewards/promotions',
    summary: 'The promotions that are not over, with what they have paid',
    reply: listOf(
      Type.Object({ ...PROMOTION_FIELDS, cap_micro_usd: MicroUsd, spent_micro_usd: MicroUsd }),
    ),
    handle: async () => {
      const { promotions } = await admin.ask(services.settlement.promotions, {});
      return {
        object: LIST,
        data: promotions.map(({ promotion, spentMicroUsd }) => ({
          ...promotionFields(promotion),
          cap_micro_usd: promotion.capMicroUsd,
          spent_micro_usd: spentMicroUsd,
        })),
      };
    },
  });
  admin.change('end-promotion', {
    method: 'DELETE',
    url: '/admin/rewards/promotions/:name',
    summary: 'End a promotion today, or remove it if it has not begun',
    params: ByName,
    reply: Type.Object({ done: Type.Boolean() }),
    example: { path: '/admin/rewards/promotions/spring-2027' },
    handle: async ({ params }) => {
      const { known } = await admin.ask(services.settlement.endPromotion, {
        promotion: params.name,
      });
      if (!known) throw new ApiError('not_found', 'There is no such promotion.');
      return { done: true };
    },
  });
}
