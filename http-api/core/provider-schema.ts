import { ProviderId, QUANTIZATIONS, TRUST_LEVELS } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import {
  MAX_NAMED_PROVIDERS,
  MAX_PRICE,
  MAX_WISH,
  PRICE_TEXT,
  SORTS,
} from './provider-preferences.ts';

const optional = Type.Optional;
/** Some clients send the price as a text. */
const Price = Type.Union([
  Type.Number({ minimum: 0, maximum: MAX_PRICE }),
  Type.String({ pattern: PRICE_TEXT.source }),
]);

/** Documents the field `provider` of a request, which provider-preferences.ts checks. */
export const providerWishes = Type.Object(
  {
    only: optional(
      Type.Array(ProviderId, {
        minItems: 1,
        maxItems: MAX_NAMED_PROVIDERS,
        description: 'Ids of the only providers that may serve the request.',
      }),
    ),
    ignore: optional(
      Type.Array(ProviderId, {
        minItems: 1,
        maxItems: MAX_NAMED_PROVIDERS,
        description: 'Ids of providers that must not serve the request.',
      }),
    ),
    order: optional(
      Type.Array(ProviderId, {
        minItems: 1,
        maxItems: MAX_NAMED_PROVIDERS,
        description: 'Ids of providers that are tried first, in this order.',
      }),
    ),
    allow_fallbacks: optional(
      Type.Boolean({
        description: 'Together with `order`: false lets only those providers serve the request.',
      }),
    ),
    sort: optional(
      Type.Enum(SORTS, { description: 'The property by which providers are chosen.' }),
    ),
    preferred_min_throughput: optional(
      Type.Number({
        exclusiveMinimum: 0,
        maximum: MAX_WISH,
        description: 'Tokens per second; slower providers serve only if there is no other.',
      }),
    ),
    preferred_max_latency: optional(
      Type.Number({
        exclusiveMinimum: 0,
        maximum: MAX_WISH,
        description:
          'Seconds to the first content; slower providers serve only if there is no other.',
      }),
    ),
    max_price: optional(
      Type.Object(
        { prompt: optional(Price), completion: optional(Price) },
        {
          additionalProperties: false,
          description:
            'Highest price in dollars per million tokens: no provider with a higher price serves the request, and no more is charged.',
        },
      ),
    ),
    quantizations: optional(
      Type.Array(Type.Enum(QUANTIZATIONS), {
        minItems: 1,
        maxItems: MAX_NAMED_PROVIDERS,
        description: 'Allowed quantizations of the weights.',
      }),
    ),
    trust_level: optional(
      Type.Enum(TRUST_LEVELS, {
        description: 'Lowest trust level of the machine.',
      }),
    ),
    require_parameters: optional(
      Type.Boolean({
        description:
          'Accepted for compatibility; a machine always supports everything that the request needs.',
      }),
    ),
  },
  { description: 'Which providers may serve the request.', additionalProperties: false },
);
