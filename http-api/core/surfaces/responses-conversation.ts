import { invalid, isGiven, isObject, type JsonObject, quoted } from '../json.ts';
import { chatName } from './responses-tools.ts';

/** Lowers the input of a Responses request to the messages of the chat contract. */

export function messagesOf(input: unknown): JsonObject[] {
  const conversation = new Conversation();
  for (const [index, item] of itemsOfInput(input).entries())
    conversation.add(item, `input[${index}]`);
  return conversation.messages;
}

/** The input as a list of items. A text is one message of the user. */
export function itemsOfInput(input: unknown): readonly unknown[] {
  if (typeof input === 'string') return [{ type: 'message', role: 'user', content: input }];
  if (!Array.isArray(input) || input.length === 0)
    throw invalid('input', 'input is required and must be a string or a non-empty array.');
  return input;
}

class Conversation {
  readonly messages: JsonObject[] = [];
  /** Ids of the tool calls so far. */
  readonly #calls = new Set<unknown>();
  /** Reasoning that belongs to the next message of the assistant. */
  #reasoning = '';

  add(item: unknown, at: string): void {
    if (!isObject(item)) throw invalid('input', `${at} must be an object.`);
    switch (item['type'] ?? 'message') {
      case 'message':
        return this.#push({
          role: item['role'] === 'developer' ? 'system' : item['role'],
          content: contentOf(item['content'], at),
        });
      case 'function_call':
        return this.#call(item, at);
      case 'function_call_output':
        if (!this.#calls.has(item['call_id']))
          throw invalid(
            'input',
            `${at}: there is no function call with the call_id ${quoted(item['call_id'])} before its output.`,
          );
        return this.#push({
          role: 'tool',
          tool_call_id: item['call_id'],
          content: contentOf(item['output'], at),
        });
      case 'reasoning':
        this.#reasoning += reasoningOf(item);
        return;
      default:
        throw invalid('input', `${at}: items of type ${quoted(item['type'])} are not supported.`);
    }
  }

  /**
   * The reasoning of an earlier turn goes to the model as `reasoning_content`. Its template decides
   * which turns keep it: most keep it only since the last message of the user.
   */
  #push(message: JsonObject): void {
    const reasoning = this.#reasoning;
    this.#reasoning = '';
    this.messages.push(
      message['role'] === 'assistant' && reasoning !== ''
        ? { ...message, reasoning_content: reasoning }
        : message,
    );
  }

  #call(item: JsonObject, at: string): void {
    const { name, namespace } = item;
    if (isGiven(namespace) && typeof namespace !== 'string')
      throw invalid('input', `${at}: namespace must be a string.`);
    this.#calls.add(item['call_id']);
    const call = {
      id: item['call_id'],
      type: 'function',
      function: {
        name: chatName({ name, ...(typeof namespace === 'string' && { namespace }) }),
        arguments: item['arguments'],
      },
    };
    const before = this.messages.at(-1);
    // All tool calls of one turn belong to one message.
    if (before?.['role'] === 'assistant' && Array.isArray(before['tool_calls']))
      before['tool_calls'].push(call);
    else this.#push({ role: 'assistant', content: null, tool_calls: [call] });
  }
}

/** The text of a reasoning item: its content, or its summary where the content is left out. */
function reasoningOf({ content, summary }: JsonObject): string {
  const textOf = (parts: unknown) =>
    Array.isArray(parts)
      ? parts.map((part) => (isObject(part) ? String(part['text'] ?? '') : '')).join('')
      : '';
  return textOf(content) || textOf(summary);
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
