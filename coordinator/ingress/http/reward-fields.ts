import { type RewardReason, rewardReasonsText } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import { orNull } from './api.ts';

export const RewardPromotion = orNull(
  Type.String({ description: 'The promotion that paid for tokens; null for a base reward.' }),
);

export const Because = orNull(
  Type.String({ description: 'Why the amount is zero or was limited; null if it is whole.' }),
);

export const becauseOf = (reasons: readonly RewardReason[]): string | null =>
  reasons.length === 0 ? null : rewardReasonsText(reasons);
