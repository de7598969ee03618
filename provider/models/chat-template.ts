import { Template } from '@huggingface/jinja';
import type { InferenceRequest } from '#bus-schemas';
import { messageOf } from '#bus-schemas/message-of.ts';
import { isObject, type JsonObject, parseObject } from './json.ts';
import { ModelError } from './model-error.ts';

type Chat = InferenceRequest['chat'];

/** The model's Jinja template, which turns a conversation into the text of a prompt. */
export class ChatTemplate {
  readonly #template: Template;
  readonly #signs: Record<string, string>;
  readonly rendersThinking: boolean;

  constructor({ text, config }: { text: string; config: JsonObject }) {
    try {
      this.#template = new Template(text);
    } catch (cause) {
      throw new ModelError('malformed_template', messageOf(cause), { cause });
    }
    this.#signs = Object.fromEntries(
      ['bos_token', 'eos_token'].map((name) => [name, signOf(config[name])]),
    );
    this.rendersThinking = text.includes('<think>');
  }

  render({ messages, tools, tool_choice, reasoning_effort }: Chat): string {
    const offered = tool_choice === 'none' ? undefined : tools;
    try {
      return this.#template.render({
        ...this.#signs,
        messages: messages.map(forTemplate),
        tools: offered !== undefined && offered.length > 0 ? offered : null,
        add_generation_prompt: true,
        enable_thinking: reasoning_effort !== undefined && reasoning_effort !== 'none',
      });
    } catch (cause) {
      throw new ModelError('malformed_template', messageOf(cause), { cause });
    }
  }
}

/**
 * Reads the template from `tokenizer_config.json`. Models without a `chat_template.jinja` keep it
 * there, as text or as a list of named templates.
 */
export function templateIn(config: JsonObject): string | undefined {
  const { chat_template: template } = config;
  if (typeof template === 'string') return template;
  const named = Array.isArray(template)
    ? template.find((entry) => isObject(entry) && entry['name'] === 'default')
    : undefined;
  return isObject(named) && typeof named['template'] === 'string' ? named['template'] : undefined;
}

const signOf = (value: unknown): string =>
  typeof value === 'string'
    ? value
    : isObject(value) && typeof value['content'] === 'string'
      ? value['content']
      : '';

/**
 * Converts a message of the API for a template: joins the text parts into one string, and parses
 * the arguments of tool calls, which the API sends as JSON text and templates expect as objects.
 */
function forTemplate(message: Chat['messages'][number]): JsonObject {
  const { content, tool_calls: calls, ...rest } = message as JsonObject;
  const parts = Array.isArray(content)
    ? content.filter((part) => part.type === 'text').map(({ text }) => String(text))
    : [content ?? ''];
  return {
    ...rest,
    content: parts.join(''),
    ...(Array.isArray(calls) && { tool_calls: calls.map(withParsedArguments) }),
  };
}

function withParsedArguments(call: unknown): unknown {
  if (!isObject(call) || !isObject(call['function'])) return call;
  const { arguments: text } = call['function'];
  if (typeof text !== 'string') return call;
  try {
    return {
      ...call,
      function: { ...call['function'], arguments: parseObject(text, 'arguments') },
    };
  } catch {
    // A model may have written arguments that are not valid JSON. The template gets that text as it
    // is.
    return call;
  }
}
