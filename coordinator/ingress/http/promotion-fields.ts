import type { TokenPromotion } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import { MicroUsd } from './api.ts';

/** A promotion as the API shows it to owners and to operators. */
export const PROMOTION_FIELDS = {
  promotion: Type.String(),
  models: Type.Array(Type.String()),
  micro_usd_per_million_tokens: MicroUsd,
  starts_on: Type.String(),
  ends_on: Type.String({ description: 'The last day of UTC.' }),
  account_day_micro_usd: Type.Integer({
    description: 'Most for the machines of one account and a day.',
  }),
  customer_day_micro_usd: Type.Integer({
    description: 'Most for the answers to one customer and a day.',
  }),
};

export const promotionFields = (promotion: TokenPromotion) => ({
  promotion: promotion.promotion,
  models: promotion.models,
  micro_usd_per_million_tokens: promotion.microUsdPerMillion,
  starts_on: promotion.startsOn,
  ends_on: promotion.endsOn,
  account_day_micro_usd: promotion.ownerDayMicroUsd,
  customer_day_micro_usd: promotion.customerDayMicroUsd,
});
