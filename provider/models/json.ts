import { ModelError } from './model-error.ts';

export type JsonObject = Record<string, unknown>;

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function parseObject(text: string, name: string): JsonObject {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new ModelError('malformed_config', `${name} is not valid JSON`, { cause });
  }
  if (!isObject(parsed)) throw new ModelError('malformed_config', `${name} is not a JSON object`);
  return parsed;
}
