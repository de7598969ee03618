import { Template } from '@huggingface/jinja';
import type { InferenceRequest } from '#bus-schemas';
import { messageOf } from '#bus-schemas/message-of.ts';
import type { AnswerFormat } from '../answers/format.ts';
import { isObject, type JsonObject, parseObject } from './json.ts';
import { ModelError } from './model-error.ts';
import type { Prompt } from './prompt-part.ts';
import { SpelledSigns } from './spelled-signs.ts';

type Chat = InferenceRequest['chat'];

/** Turns a conversation into a prompt. */
export interface PromptWriter {
  render(chat: Chat): Prompt;
}

/** The model's Jinja template, which turns a conversation into the text of a prompt. */
export class ChatTemplate implements PromptWriter {
  readonly #template: Template;
  readonly #signs: Record<string, string>;
  readonly #spelled: SpelledSigns;
  readonly #format: Pick<AnswerFormat, 'conversation' | 'argumentsAreText'>;
  readonly #readsImages: boolean;
  readonly #placesLaterSystem: boolean;

  /** `signs` are the names of the control tokens that texts of a request must not become. */
  constructor({
    text,
    config,
    format = {},
    signs = [],
    readsImages = false,
  }: {
    text: string;
    config: JsonObject;
    format?: Pick<AnswerFormat, 'conversation' | 'argumentsAreText'>;
    signs?: readonly string[];
    /** Whether the template writes marks for images. */
    readsImages?: boolean;
  }) {
    this.#spelled = new SpelledSigns(signs);
    try {
      this.#template = new Template(text);
    } catch (cause) {
      throw new ModelError('malformed_template', messageOf(cause), { cause });
    }
    this.#signs = Object.fromEntries(
      ['bos_token', 'eos_token'].map((name) => [name, signOf(config[name])]),
    );
    this.#format = format;
    this.#readsImages = readsImages;
    this.#placesLaterSystem = this.#rendersLaterSystem();
  }

  render({ messages, tools, tool_choice, reasoning_effort, continue_final_message }: Chat): Prompt {
    const offered = tool_choice === 'none' ? undefined : tools;
    const hidden: string[] = [];
    const hide = (value: unknown) => this.#spelled.hide(value, hidden);
    const hasTools = offered !== undefined && offered.length > 0;
    const given = {
      messages: messages
        .map((message) =>
          forTemplate(message, {
            argumentsAreText: this.#format.argumentsAreText === true,
            readsImages: this.#readsImages,
          }),
        )
        .map((message) => hide(message) as JsonObject),
      tools: hasTools ? (hide(offered) as JsonObject[]) : null,
    };
    const { messages: list, tools: listed } = this.#format.conversation?.(given) ?? given;
    const thinks = reasoning_effort !== undefined && reasoning_effort !== 'none';
    const text = this.#render({
      messages: this.#placesLaterSystem ? list : withoutLaterSystem(list),
      tools: listed,
      // The name that the template of SmolLM3 uses.
      xml_tools: listed,
      add_generation_prompt: continue_final_message !== true,
      enable_thinking: thinks,
      // The name that the templates of Granite use.
      thinking: thinks,
    });
    return this.#spelled.reveal(
      continue_final_message === true ? cutAfter(text, list.at(-1)?.['content']) : text,
      hidden,
    );
  }

  #render(variables: JsonObject): string {
    try {
      return this.#template.render({ ...this.#signs, ...variables });
    } catch (cause) {
      throw new ModelError('malformed_template', messageOf(cause), { cause });
    }
  }

  /**
   * Whether the template renders a system message in the middle of a conversation. Some templates
   * refuse it, and some leave it out without an error.
   */
  #rendersLaterSystem(): boolean {
    const mark = 'later-system-message';
    const messages = ['Hello', 'Hello', mark, 'Hello'].map((content, index) => ({
      role: ['user', 'assistant', 'system', 'user'][index],
      content,
    }));
    try {
      return this.#render({ messages, tools: null, add_generation_prompt: true }).includes(mark);
    } catch {
      return false;
    }
  }
}

/**
 * Turns each system message after the first other message into text of the user, and joins adjacent
 * messages of the user, because many templates require that user and assistant alternate.
 */
function withoutLaterSystem(messages: readonly JsonObject[]): readonly JsonObject[] {
  const firstOther = messages.findIndex(({ role }) => role !== 'system');
  const isLater = ({ role }: JsonObject, index: number) =>
    role === 'system' && firstOther !== -1 && index > firstOther;
  if (!messages.some(isLater)) return messages;
  const list: JsonObject[] = [];
  for (const [index, message] of messages.entries()) {
    const next = isLater(message, index) ? { ...message, role: 'user' } : message;
    const last = list.at(-1);
    if (last?.['role'] === 'user' && next['role'] === 'user')
      list[list.length - 1] = { ...last, content: joined(last['content'], next['content']) };
    else list.push(next);
  }
  return list;
}

/** Contents of two messages as that of one. A content with images is a list of parts. */
function joined(one: unknown, other: unknown): unknown {
  if (typeof one === 'string' && typeof other === 'string') return `${one}\n\n${other}`;
  const parts = (content: unknown) =>
    Array.isArray(content) ? content : [{ type: 'text', text: content }];
  return [...parts(one), { type: 'text', text: '\n\n' }, ...parts(other)];
}

/**
 * The prompt up to the end of the last message, without the marks that would end it. Templates may
 * trim white space around a message.
 */
function cutAfter(prompt: string, content: unknown): string {
  const text = String(content).trim();
  const at = prompt.lastIndexOf(text);
  if (at === -1)
    throw new ModelError('malformed_template', 'the template does not render the last message');
  return prompt.slice(0, at + text.length);
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
 * Converts a message of the API for a template: joins the text parts into one string if there is no
 * image, and parses the arguments of tool calls, which the API sends as JSON text and most templates
 * expect as objects.
 */
function forTemplate(
  message: Chat['messages'][number],
  { argumentsAreText, readsImages }: { argumentsAreText: boolean; readsImages: boolean },
): JsonObject {
  const { content, tool_calls: calls, ...rest } = message as JsonObject;
  return {
    ...rest,
    content:
      readsImages && hasImages(content) ? content.flatMap(partForTemplate) : contentText(content),
    ...(Array.isArray(calls) && {
      tool_calls: argumentsAreText ? calls : calls.map(withParsedArguments),
    }),
  };
}

const hasImages = (content: unknown): content is JsonObject[] =>
  Array.isArray(content) && content.some(({ type }) => type === 'image_url');

function partForTemplate({ type, text }: JsonObject): JsonObject[] {
  if (type === 'image_url') return [{ type: 'image' }];
  return type === 'text' ? [{ type, text: String(text) }] : [];
}

/** Joins the text parts of a message's content. */
export function contentText(content: unknown): string {
  if (!Array.isArray(content)) return String(content ?? '');
  return content
    .filter((part) => part.type === 'text')
    .map(({ text }) => String(text))
    .join('');
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
