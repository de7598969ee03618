import { ModelError } from './model-error.ts';

export type JsonObject = Record<string, unknown>;

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function parse(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ModelError('malformed_config', `${name} is not valid JSON`, { cause });
  }
}

export function parseList(text: string, name: string): unknown[] {
  const parsed = parse(text, name);
  if (!Array.isArray(parsed))
    throw new ModelError('malformed_config', `${name} is not a JSON list`);
  return parsed;
}

export function parseObject(text: string, name: string): JsonObject {
  const parsed = parse(text, name);
  if (!isObject(parsed)) throw new ModelError('malformed_config', `${name} is not a JSON object`);
  return parsed;
}
