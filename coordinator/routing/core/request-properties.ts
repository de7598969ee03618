import type { Candidate, PriceTerms, Reserve } from '#bus-schemas';

/** The build that the request wants first; the others are accepted in its place. */
export const wantedBuild = ({ builds }: Reserve): string => builds[0] as string;

/**
 * Whether `one` needs at least as much as `other`, so that a slot which rejects `other` rejects
 * `one` too. Only the sizes are compared, because the time limit for the first content grows with
 * the prompt.
 */
export const needsAtLeast = (one: Reserve, other: Reserve) =>
  one.promptTokens >= other.promptTokens &&
  one.promptTokens + one.maxOutputTokens >= other.promptTokens + other.maxOutputTokens;

/**
 * Whether the request has no special wishes. If it cannot be placed, similar requests cannot be
 * placed either.
 */
export const hasNoWishes = ({ exclude, only, requires, price, clientSeals }: Reserve) =>
  exclude.length === 0 &&
  only === undefined &&
  requires === undefined &&
  clientSeals !== true &&
  (price === undefined || isListed(price));

/** Whether the client has yet to seal the request for this machine. */
export const isUnordered = ({ clientSeals, prefers }: Reserve, { provider }: Candidate) =>
  clientSeals === true && prefers?.sealedFor !== provider;

/** Whether the caller accepts exactly the listed price. */
const isListed = ({ list, max }: PriceTerms) =>
  max.inputMicroUsdPerMillion === list.inputMicroUsdPerMillion &&
  max.outputMicroUsdPerMillion === list.outputMicroUsdPerMillion;
