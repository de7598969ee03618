import { invalid, isGiven, isObject, type JsonObject, quoted } from '../json.ts';

/** Lowers the request of Anthropic's `POST /v1/messages`. */

const LOWERED = [
  'system',
  'messages',
  'tools',
  'tool_choice',
  'stop_sequences',
  'thinking',
  'metadata',
  'top_k',
  'output_config',
];
const SHOWN_REFERENCE = 200;

export function lowerMessages(body: JsonObject): JsonObject {
  if (!isGiven(body['max_tokens'])) throw invalid('max_tokens', 'max_tokens is required.');
  if (!Array.isArray(body['messages']) || body['messages'].length === 0)
    throw invalid('messages', 'messages is required and must be a non-empty array.');
  const rest = Object.fromEntries(
    Object.entries(body).filter(([field]) => !LOWERED.includes(field)),
  );
  return {
    ...rest,
    messages: [
      ...systemOf(body['system']),
      ...body['messages'].flatMap((message, index) => messagesOf(message, `messages[${index}]`)),
    ],
    ...(isGiven(body['top_k']) && { top_k: body['top_k'] }),
    ...(isGiven(body['tools']) && { tools: toolsOf(body['tools']) }),
    ...(isGiven(body['tool_choice']) && toolChoiceOf(body['tool_choice'])),
    ...(isGiven(body['stop_sequences']) && { stop: stopsOf(body['stop_sequences']) }),
    ...(wantsThinking(body) && { reasoning_effort: 'medium' }),
  };
}

export function wantsThinking(body: JsonObject): boolean {
  const { thinking } = body;
  if (!isGiven(thinking)) return false;
  if (
    !isObject(thinking) ||
    !['enabled', 'disabled', 'adaptive'].includes(thinking['type'] as string)
  ) {
    throw invalid('thinking', 'thinking.type must be "enabled", "adaptive" or "disabled".');
  }
  return thinking['type'] !== 'disabled';
}

function systemOf(system: unknown): JsonObject[] {
  if (!isGiven(system) || system === '') return [];
  if (typeof system === 'string') return [{ role: 'system', content: system }];
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

function messagesOf(message: unknown, at: string): JsonObject[] {
  if (!isObject(message)) throw invalid('messages', `${at} must be an object.`);
  const { role, content } = message;
  if (role !== 'user' && role !== 'assistant')
    throw invalid('messages', `${at}.role must be "user" or "assistant".`);
  if (typeof content === 'string') return [{ role, content }];
  if (!Array.isArray(content))
    throw invalid('messages', `${at}.content must be a string or an array of blocks.`);
  return role === 'user' ? userMessages(content, at) : [assistantMessage(content, at)];
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
        parts.push({
          type: 'image_url',
          image_url: { url: imageOf((block as JsonObject)['source'], at) },
        });
        break;
      case 'tool_result': {
        flush();
        const { tool_use_id: id, content } = block as JsonObject;
        messages.push({
          role: 'tool',
          tool_call_id: id,
          content: isGiven(content)
            ? textOf(content, 'messages', `${at}.content: tool_result`)
            : '',
        });
        break;
      }
      default:
        throw unsupported(block, at);
    }
  }
  flush();
  return messages;
}

function assistantMessage(blocks: readonly unknown[], at: string): JsonObject {
  const text: string[] = [];
  const calls: JsonObject[] = [];
  for (const block of blocks) {
    switch (isObject(block) ? block['type'] : undefined) {
      case 'text':
        text.push(String((block as JsonObject)['text'] ?? ''));
        break;
      // Reasoning of earlier turns is not part of the conversation that the model reads.
      case 'thinking':
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
  return {
    role: 'assistant',
    content: text.length === 0 ? null : text.join(''),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}

function imageOf(source: unknown, at: string): string {
  if (isObject(source) && source['type'] === 'base64')
    return `data:${String(source['media_type'])};base64,${String(source['data'])}`;
  const reference = isObject(source) ? (source['url'] ?? source['file_id']) : undefined;
  throw invalid(
    'messages',
    `${at}.content: images must be inline base64; ${quoted(reference, SHOWN_REFERENCE)} is not fetched.`,
  );
}

function unsupported(block: unknown, at: string): Error {
  return invalid(
    'messages',
    `${at}.content: blocks of type ${quoted(isObject(block) ? block['type'] : block)} are not supported.`,
  );
}

function toolsOf(tools: unknown): unknown {
  if (!Array.isArray(tools)) throw invalid('tools', 'tools must be an array.');
  return tools.map((tool, index) => {
    if (!isObject(tool) || (isGiven(tool['type']) && tool['type'] !== 'custom'))
      throw invalid('tools', `tools[${index}]: only tools of your own are supported.`);
    const { name, description, input_schema: parameters } = tool;
    return {
      type: 'function',
      function: {
        name,
        description: description ?? '',
        parameters: parameters ?? { type: 'object' },
      },
    };
  });
}

function toolChoiceOf(choice: unknown): JsonObject {
  const type = isObject(choice) ? choice['type'] : undefined;
  const parallel =
    isObject(choice) && choice['disable_parallel_tool_use'] === true
      ? { parallel_tool_calls: false }
      : {};
  switch (type) {
    case 'auto':
    case 'none':
      return { tool_choice: type, ...parallel };
    case 'any':
      return { tool_choice: 'required', ...parallel };
    case 'tool':
      return {
        tool_choice: { type: 'function', function: { name: (choice as JsonObject)['name'] } },
        ...parallel,
      };
    default:
      throw invalid('tool_choice', 'tool_choice.type must be "auto", "any", "tool" or "none".');
  }
}

function stopsOf(stops: unknown): unknown {
  if (!Array.isArray(stops))
    throw invalid('stop_sequences', 'stop_sequences must be an array of strings.');
  return stops;
}
