import { invalid, isGiven, isObject, type JsonObject, quoted } from '../json.ts';

/** Lowers the conversation of an Anthropic request to the messages of the chat contract. */

export function conversationOf(system: unknown, messages: readonly unknown[]): JsonObject[] {
  const lastUser = messages.findLastIndex(
    (message) => isObject(message) && message['role'] === 'user',
  );
  return [
    ...systemOf(system),
    ...messages.flatMap((message, index) =>
      messagesOf(message, { at: `messages[${index}]`, isBeforeUser: index < lastUser }),
    ),
  ];
}

function systemOf(system: unknown): JsonObject[] {
  if (!isGiven(system) || system === '') return [];
  return [{ role: 'system', content: textOf(system, 'system', 'system') }];
}

function textOf(blocks: unknown, param: string, at: string): string {
  if (typeof blocks === 'string') return blocks;
  if (!Array.isArray(blocks))
    throw invalid(param, `${at} must be a string or an array of text blocks.`);
  return blocks
    .map((block) => {
      if (!isObject(block) || block['type'] !== 'text' || typeof block['text'] !== 'string')
        throw invalid(param, `${at}: only text blocks are supported here.`);
      return block['text'];
    })
    .join('\n');
}

interface Place {
  /** The message in the request, for error messages. */
  readonly at: string;
  /** True if a message of the user follows. */
  readonly isBeforeUser: boolean;
}

function messagesOf(message: unknown, { at, isBeforeUser }: Place): JsonObject[] {
  if (!isObject(message)) throw invalid('messages', `${at} must be an object.`);
  const { role, content } = message;
  if (role === 'system') return laterSystemMessage(message, { at, isBeforeUser });
  if (role !== 'user' && role !== 'assistant')
    throw invalid('messages', `${at}.role must be "user", "assistant" or "system".`);
  if (typeof content === 'string') return [{ role, content }];
  if (!Array.isArray(content))
    throw invalid('messages', `${at}.content must be a string or an array of blocks.`);
  return role === 'user' ? userMessages(content, at) : [assistantMessage(content, at)];
}

/**
 * An instruction inside the conversation. With `clear_at: "next_user_message"` it holds for one turn
 * of the user, and the model no longer reads it afterwards. Blocks that change the tools are read
 * in messages-tools.ts.
 */
function laterSystemMessage(message: JsonObject, { at, isBeforeUser }: Place): JsonObject[] {
  const { content, clear_at: clearAt } = message;
  if (isGiven(clearAt) && clearAt !== 'never' && clearAt !== 'next_user_message')
    throw invalid('messages', `${at}.clear_at must be "never" or "next_user_message".`);
  if (clearAt === 'next_user_message' && isBeforeUser) return [];
  const texts = Array.isArray(content)
    ? content.filter(
        (block) =>
          !(
            isObject(block) &&
            (block['type'] === 'tool_addition' || block['type'] === 'tool_removal')
          ),
      )
    : (content ?? '');
  const text = textOf(texts, 'messages', `${at}.content`);
  return text === '' ? [] : [{ role: 'system', content: text }];
}

/** The result of a tool becomes a message of its own, in the order of the blocks. */
function userMessages(blocks: readonly unknown[], at: string): JsonObject[] {
  const messages: JsonObject[] = [];
  let parts: JsonObject[] = [];
  const flush = () => {
    if (parts.length > 0) messages.push({ role: 'user', content: parts });
    parts = [];
  };
  for (const block of blocks) {
    switch (isObject(block) ? block['type'] : undefined) {
      case 'text':
        parts.push({ type: 'text', text: (block as JsonObject)['text'] });
        break;
      case 'image':
        parts.push(imagePart((block as JsonObject)['source'], at));
        break;
      case 'tool_result':
        flush();
        messages.push(...toolResult(block as JsonObject, at));
        break;
      default:
        throw unsupported(block, at);
    }
  }
  flush();
  return messages;
}

/**
 * The result of a tool. The chat contract has no images in such results, so they follow as a message
 * of the user.
 */
function toolResult(block: JsonObject, at: string): JsonObject[] {
  const { tool_use_id: id, content, is_error: isError } = block;
  const texts: string[] = [];
  const images: JsonObject[] = [];
  for (const part of typeof content === 'string'
    ? [{ type: 'text', text: content }]
    : listOf(content, at)) {
    switch (isObject(part) ? part['type'] : undefined) {
      case 'text':
        texts.push(String((part as JsonObject)['text'] ?? ''));
        break;
      case 'image':
        images.push(imagePart((part as JsonObject)['source'], at));
        break;
      // The referenced tools are added to the tools of the request, in messages-tools.ts.
      case 'tool_reference':
        texts.push(`The tool ${String((part as JsonObject)['tool_name'])} is available now.`);
        break;
      default:
        throw unsupported(part, `${at}.content: tool_result`);
    }
  }
  const text = texts.join('\n');
  return [
    { role: 'tool', tool_call_id: id, content: isError === true ? `Error: ${text}` : text },
    ...(images.length > 0 ? [{ role: 'user', content: images }] : []),
  ];
}

function listOf(content: unknown, at: string): readonly unknown[] {
  if (!isGiven(content)) return [];
  if (!Array.isArray(content))
    throw invalid('messages', `${at}.content: tool_result must be a string or an array of blocks.`);
  return content;
}

/**
 * The reasoning of earlier turns goes to the model as `reasoning_content`. Its template decides
 * which turns keep it: most keep it only since the last message of the user.
 */
function assistantMessage(blocks: readonly unknown[], at: string): JsonObject {
  const text: string[] = [];
  const reasoning: string[] = [];
  const calls: JsonObject[] = [];
  for (const block of blocks) {
    switch (isObject(block) ? block['type'] : undefined) {
      case 'text':
        text.push(String((block as JsonObject)['text'] ?? ''));
        break;
      case 'thinking':
        reasoning.push(String((block as JsonObject)['thinking'] ?? ''));
        break;
      case 'redacted_thinking':
        break;
      case 'tool_use': {
        const { id, name, input } = block as JsonObject;
        calls.push({
          id,
          type: 'function',
          function: { name, arguments: JSON.stringify(input ?? {}) },
        });
        break;
      }
      default:
        throw unsupported(block, at);
    }
  }
  const thoughts = reasoning.join('');
  return {
    role: 'assistant',
    content: text.length === 0 ? null : text.join(''),
    ...(thoughts !== '' && { reasoning_content: thoughts }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}

/** An address stays as it is: the chat contract refuses it, unless the ingress has fetched it. */
function imagePart(source: unknown, at: string): JsonObject {
  const { type, url, media_type: media, data } = isObject(source) ? source : {};
  if (type === 'url' && typeof url === 'string') return { type: 'image_url', image_url: { url } };
  if (type !== 'base64')
    throw invalid('messages', `${at}.content: the source of an image must be base64 or a URL.`);
  return { type: 'image_url', image_url: { url: `data:${String(media)};base64,${String(data)}` } };
}

function unsupported(block: unknown, at: string): Error {
  return invalid(
    'messages',
    `${at}.content: blocks of type ${quoted(isObject(block) ? block['type'] : block)} are not supported.`,
  );
}
