import { invalid, isGiven, isObject, type JsonObject, quoted } from '../json.ts';

/**
 * Lowers the request of `POST /v1/responses`. The server stores no answers, so fields that refer to
 * an earlier one are refused.
 */

const STATEFUL = ['previous_response_id', 'conversation', 'background', 'prompt'] as const;
/**
 * Fields of the Responses API that are not forwarded: they are lowered separately, or have no
 * meaning without stored answers.
 */
const DROPPED = [
  'input',
  'instructions',
  'text',
  'tools',
  'tool_choice',
  'reasoning',
  'include',
  'truncation',
  'store',
  'max_tool_calls',
  ...STATEFUL,
];

export function lowerResponses(body: JsonObject): JsonObject {
  for (const field of STATEFUL)
    if (isGiven(body[field]) && body[field] !== false)
      throw invalid(field, `${field} is not supported: no answer is kept here.`);
  const rest = Object.fromEntries(
    Object.entries(body).filter(([field]) => !DROPPED.includes(field)),
  );
  const effort = isObject(body['reasoning']) ? body['reasoning']['effort'] : undefined;
  const format = isObject(body['text']) ? body['text']['format'] : undefined;
  return {
    ...rest,
    messages: [...instructionsOf(body['instructions']), ...messagesOf(body['input'])],
    ...(isGiven(body['tools']) && { tools: toolsOf(body['tools']) }),
    ...(isGiven(body['tool_choice']) && { tool_choice: toolChoiceOf(body['tool_choice']) }),
    ...(isGiven(effort) && { reasoning_effort: effort }),
    ...(isGiven(format) && { response_format: responseFormatOf(format) }),
    ...(isGiven(body['top_logprobs']) && { logprobs: true }),
  };
}

function instructionsOf(instructions: unknown): JsonObject[] {
  if (!isGiven(instructions) || instructions === '') return [];
  if (typeof instructions !== 'string')
    throw invalid('instructions', 'instructions must be a string.');
  return [{ role: 'system', content: instructions }];
}

function messagesOf(input: unknown): JsonObject[] {
  if (typeof input === 'string') return [{ role: 'user', content: input }];
  if (!Array.isArray(input) || input.length === 0)
    throw invalid('input', 'input is required and must be a string or a non-empty array.');
  const messages: JsonObject[] = [];
  for (const [index, item] of input.entries()) addItem(messages, item, `input[${index}]`);
  return messages;
}

function addItem(messages: JsonObject[], item: unknown, at: string): void {
  if (!isObject(item)) throw invalid('input', `${at} must be an object.`);
  switch (item['type'] ?? 'message') {
    case 'message':
      messages.push({
        role: item['role'] === 'developer' ? 'system' : item['role'],
        content: contentOf(item['content'], at),
      });
      return;
    case 'function_call': {
      const call = {
        id: item['call_id'],
        type: 'function',
        function: { name: item['name'], arguments: item['arguments'] },
      };
      const before = messages.at(-1);
      // All tool calls of one turn belong to one message.
      if (before?.['role'] === 'assistant' && Array.isArray(before['tool_calls']))
        before['tool_calls'].push(call);
      else messages.push({ role: 'assistant', content: null, tool_calls: [call] });
      return;
    }
    case 'function_call_output':
      messages.push({
        role: 'tool',
        tool_call_id: item['call_id'],
        content: contentOf(item['output'], at),
      });
      return;
    case 'reasoning':
      return;
    default:
      throw invalid('input', `${at}: items of type ${quoted(item['type'])} are not supported.`);
  }
}

function contentOf(content: unknown, at: string): unknown {
  if (!Array.isArray(content)) return content;
  return content.map((part) => {
    if (!isObject(part)) throw invalid('input', `${at}.content has a part that is no object.`);
    switch (part['type']) {
      case 'input_text':
      case 'output_text':
      case 'text':
        return { type: 'text', text: part['text'] };
      case 'refusal':
        return { type: 'text', text: part['refusal'] };
      case 'input_image':
        if (isGiven(part['file_id']))
          throw invalid('input', `${at}.content: images must be inline data: URIs, not files.`);
        return { type: 'image_url', image_url: { url: part['image_url'] } };
      default:
        throw invalid(
          'input',
          `${at}.content: parts of type ${quoted(part['type'])} are not supported.`,
        );
    }
  });
}

function toolsOf(tools: unknown): unknown {
  if (!Array.isArray(tools)) throw invalid('tools', 'tools must be an array.');
  return tools.map((tool, index) => {
    if (!isObject(tool) || tool['type'] !== 'function')
      throw invalid('tools', `tools[${index}]: only tools of type "function" are supported.`);
    const { type, ...definition } = tool;
    return {
      type,
      function: Object.fromEntries(
        Object.entries(definition).filter(([, value]) => isGiven(value)),
      ),
    };
  });
}

function toolChoiceOf(choice: unknown): unknown {
  return isObject(choice) && choice['type'] === 'function' && 'name' in choice
    ? { type: 'function', function: { name: choice['name'] } }
    : choice;
}

function responseFormatOf(format: unknown): unknown {
  if (!isObject(format) || format['type'] !== 'json_schema') return format;
  const { type, ...schema } = format;
  return { type, json_schema: schema };
}
