import { randomToken } from '#bus-schemas';
import { isObject, type JsonObject } from '#http-api/core/json.ts';
import { ApiError } from '#http-api/errors.ts';
import type { StoredContents } from './stored-contents.ts';
import type { StoredConversation } from './stored-responses.ts';

export const newConversationId = (): string => `conv_${randomToken(24)}`;

/** Tries of a change, each of which another change at the same time may prevent. */
const TRIES = 5;

/** Changes a conversation. Of several changes at the same time, each is applied to the one before. */
export async function changeConversation(
  contents: StoredContents,
  id: string,
  change: (before: StoredConversation) => StoredConversation,
): Promise<StoredConversation> {
  for (let left = TRIES; ; left -= 1) {
    const { content: before, version } = await contents.read<StoredConversation>('conv', id);
    const content = change(before);
    try {
      await contents.put({ id, version, content });
      return content;
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'conflict' || left <= 1) throw error;
    }
  }
}

/** Adds items to the end of a conversation, and returns them with their ids. */
export async function appendItems(
  contents: StoredContents,
  id: string,
  items: readonly unknown[],
): Promise<JsonObject[]> {
  const added = items.map((item) => storedItem(item, randomToken(24)));
  await changeConversation(contents, id, (before) => ({
    ...before,
    items: [...before.items, ...added],
  }));
  return added;
}

const ID_PREFIXES: Readonly<Record<string, string>> = {
  message: 'msg',
  function_call: 'fc',
  function_call_output: 'fco',
  reasoning: 'rs',
};

/**
 * An item as the API lists it: with an id, a type and a status, and its text as parts. An item
 * without an id gets one that ends with `name`.
 */
export function storedItem(item: unknown, name: string): JsonObject {
  const fields = isObject(item) ? item : {};
  const type = String(fields['type'] ?? 'message');
  const { content, role } = fields;
  return {
    id: `${ID_PREFIXES[type] ?? 'item'}_${name}`,
    status: 'completed',
    ...fields,
    type,
    ...(typeof content === 'string' && {
      content: [{ type: role === 'assistant' ? 'output_text' : 'input_text', text: content }],
    }),
  };
}
