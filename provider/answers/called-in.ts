import { isObject, type JsonObject } from '../models/json.ts';

/** The calls of a message of the API, whose arguments are text. */
export function calledIn({ tool_calls: calls }: JsonObject): { name: string; args: string }[] {
  if (!Array.isArray(calls)) return [];
  return calls.flatMap((call) => {
    const called = isObject(call) ? call['function'] : undefined;
    return isObject(called)
      ? [{ name: String(called['name']), args: String(called['arguments']) }]
      : [];
  });
}
