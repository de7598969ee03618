import { isGiven, isObject, type JsonObject } from './json.ts';
import type { SORTS } from './provider-preferences.ts';

/** OpenRouter's suffixes of a model's name, and the order of providers that each asks for. */
const VARIANTS: readonly (readonly [string, (typeof SORTS)[number]])[] = [
  [':nitro', 'throughput'],
  [':floor', 'price'],
];

/** The request with a suffix of its model's name replaced by `provider.sort`. */
export function withoutVariant(body: JsonObject): JsonObject {
  const { model, provider } = body;
  if (typeof model !== 'string') return body;
  const variant = VARIANTS.find(([suffix]) => model.endsWith(suffix));
  // A provider that is no object is refused where the preferences are read.
  if (variant === undefined || (isGiven(provider) && !isObject(provider))) return body;
  const [suffix, sort] = variant;
  return {
    ...body,
    model: model.slice(0, -suffix.length),
    provider: { ...(isObject(provider) && provider), sort },
  };
}
