import type { ApiError, ApiErrorCode } from '../errors.ts';
import { invalid, isGiven, type JsonObject, quoted } from './json.ts';

/** OpenRouter's `models`: the models that are tried in this order if the one before them fails. */

/** Most models of one request. Each may wait for a free machine, one after the other. */
export const MAX_MODELS = 4;

interface WantedModels {
  /** At least one; the first is the `model` of the request if it has one. */
  readonly models: readonly unknown[];
  /** The request without `models`. */
  readonly body: JsonObject;
}

export function wantedModels(request: JsonObject): WantedModels {
  const { models: listed, ...body } = request;
  const { model } = body;
  if (!isGiven(listed)) return { models: [model], body };
  if (!Array.isArray(listed) || !listed.every((name) => typeof name === 'string'))
    throw invalid('models', 'models must be a list of names.');
  const models = [...new Set([...(isGiven(model) ? [model] : []), ...listed])];
  if (models.length > MAX_MODELS)
    throw invalid('models', `A request names at most ${MAX_MODELS} models.`);
  return { models: models.length === 0 ? [model] : models, body };
}

/** Refuses fallback models where only one model can be tried. */
export function refuseFallbacks({ models }: JsonObject): void {
  if (isGiven(models) && !(Array.isArray(models) && models.length === 0))
    throw invalid(
      'models',
      `Fallback models are not possible here, such as ${quoted(models)}: name one model.`,
    );
}

/**
 * Errors that another model may not have. Errors of the key and of money are not among them: the
 * caller chose the order, and a cheaper model must not replace a more expensive one unnoticed.
 */
const CURED_BY_ANOTHER_MODEL: readonly ApiErrorCode[] = [
  'model_not_found',
  'model_not_allowed',
  'model_shed',
  'preferences_unmet',
  'context_length_exceeded',
  'invalid_request',
  'saturated',
  'first_content_timeout',
  'no_provider',
  'provider_error',
];

export const mayFallBack = ({ code }: ApiError): boolean => CURED_BY_ANOTHER_MODEL.includes(code);
