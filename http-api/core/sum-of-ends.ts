import type { Usage } from '#bus-schemas';
import type { AnswerCost } from './answer-cost.ts';
import type { AttemptEnd } from './attempt-end.ts';

/** Usage and cost of all choices together. */
export type ChoicesSum = Pick<AttemptEnd, 'usage' | 'cost'>;

/** The sum of the choices that have an end; undefined if none has. */
export function sumOfEnds(ends: readonly ChoicesSum[]): ChoicesSum | undefined {
  const [first, ...others] = ends;
  if (first === undefined) return undefined;
  return others.reduce<ChoicesSum>(
    (sum, { usage, cost }) => ({
      usage: addUsage(sum.usage, usage),
      cost: sum.cost && cost && addCost(sum.cost, cost),
    }),
    first,
  );
}

const addUsage = (one: Usage, other: Usage): Usage => ({
  promptTokens: one.promptTokens + other.promptTokens,
  cachedTokens: one.cachedTokens + other.cachedTokens,
  completionTokens: one.completionTokens + other.completionTokens,
  reasoningTokens: (one.reasoningTokens ?? 0) + (other.reasoningTokens ?? 0),
});

const addCost = (one: AnswerCost, other: AnswerCost): AnswerCost => ({
  totalMicroUsd: one.totalMicroUsd + other.totalMicroUsd,
  promptMicroUsd: one.promptMicroUsd + other.promptMicroUsd,
});
