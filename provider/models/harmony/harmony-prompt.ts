import type { InferenceRequest } from '#bus-schemas';
import { contentText } from '../chat-template.ts';
import { isObject, type JsonObject } from '../json.ts';
import type { PromptPart } from '../prompt-part.ts';
import { typeOf } from './tool-types.ts';

type Chat = InferenceRequest['chat'];

/** The namespace of the functions that a request offers. */
export const FUNCTIONS = 'functions.';

const IDENTITY = 'You are ChatGPT, a large language model trained by OpenAI.';
const KNOWLEDGE_CUTOFF = '2024-06';
const CHANNELS =
  '# Valid channels: analysis, commentary, final. Channel must be included for every message.';
const CALLS = "Calls to these tools must go to the commentary channel: 'functions'.";

/** The efforts of the API that Harmony does not have. It has no way to switch reasoning off. */
const EFFORTS: Readonly<Record<string, string>> = {
  none: 'low',
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'high',
};

/**
 * Writes a conversation in the Harmony format of gpt-oss. The model's Jinja template is not used: it
 * makes one text of structure and messages, in which the text of a user could become structure.
 */
export class HarmonyPrompt {
  readonly #today: () => string;

  /** `today` returns the date as in 2026-11-28. */
  constructor(today: () => string) {
    this.#today = today;
  }

  render(chat: Chat): readonly PromptPart[] {
    const messages = chat.messages as readonly JsonObject[];
    const tools = chat.tool_choice === 'none' ? [] : (chat.tools ?? []);
    const firstOther = messages.findIndex((message) => !isInstruction(message));
    const end = firstOther === -1 ? messages.length : firstOther;
    const instructions = messages.slice(0, end).map(({ content }) => contentText(content));
    const sections = [
      ...(instructions.length > 0 ? ['# Instructions', instructions.join('\n\n')] : []),
      ...(tools.length > 0 ? [toolSection(tools)] : []),
    ];
    const continues = chat.continue_final_message === true;
    const parts = [
      ...written({ author: 'system', content: this.#system(chat, tools.length > 0) }),
      ...(sections.length > 0
        ? written({ author: 'developer', content: sections.join('\n\n') })
        : []),
      ...conversation(messages.slice(end)),
    ];
    return continues ? parts.slice(0, -1) : [...parts, { sign: START }, { text: 'assistant' }];
  }

  #system({ reasoning_effort: effort = 'medium' }: Chat, hasTools: boolean): string {
    const about = [
      IDENTITY,
      `Knowledge cutoff: ${KNOWLEDGE_CUTOFF}`,
      `Current date: ${this.#today()}`,
    ];
    const channels = hasTools ? `${CHANNELS}\n${CALLS}` : CHANNELS;
    return [about.join('\n'), `Reasoning: ${EFFORTS[effort] ?? 'medium'}`, channels].join('\n\n');
  }
}

const START = '<|start|>';

interface Message {
  readonly author: string;
  readonly recipient?: string;
  readonly channel?: 'analysis' | 'commentary' | 'final';
  readonly isJson?: boolean;
  readonly content: string;
  readonly end?: '<|end|>' | '<|call|>';
}

function written({
  author,
  recipient,
  channel,
  isJson,
  content,
  end = '<|end|>',
}: Message): PromptPart[] {
  return [
    { sign: START },
    { text: recipient === undefined ? author : `${author} to=${recipient}` },
    ...(channel === undefined
      ? []
      : [{ sign: '<|channel|>' }, { text: isJson ? `${channel} ` : channel }]),
    ...(isJson ? [{ sign: '<|constrain|>' }, { text: 'json' }] : []),
    { sign: '<|message|>' },
    ...(content === '' ? [] : [{ text: content }]),
    { sign: end },
  ];
}

const isInstruction = ({ role }: JsonObject): boolean => role === 'system' || role === 'developer';

function conversation(messages: readonly JsonObject[]): PromptPart[] {
  const nameOfCall = new Map<unknown, string>();
  const lastAnswer = messages.findLastIndex(
    (message) => message['role'] === 'assistant' && callsOf(message).length === 0,
  );
  return messages.flatMap((message, index) => {
    const content = contentText(message['content']);
    if (isInstruction(message))
      return written({ author: 'developer', content: `# Instructions\n\n${content}` });
    switch (message['role']) {
      case 'assistant':
        for (const { id, name } of callsOf(message)) nameOfCall.set(id, name);
        return assistantMessages(message, { content, keepsAnalysis: index > lastAnswer });
      case 'tool':
      case 'function': {
        const { tool_call_id: id, name } = message;
        const called = nameOfCall.get(id) ?? (typeof name === 'string' ? name : 'unknown');
        return written({
          author: `${FUNCTIONS}${called}`,
          recipient: 'assistant',
          channel: 'commentary',
          content,
        });
      }
      default:
        return written({ author: 'user', content });
    }
  });
}

/**
 * The model was trained to see its reasoning only until it has answered, so the reasoning of earlier
 * turns is left out.
 */
function assistantMessages(
  message: JsonObject,
  { content, keepsAnalysis }: { content: string; keepsAnalysis: boolean },
): PromptPart[] {
  const calls = callsOf(message);
  const analysis = message['reasoning_content'] ?? message['reasoning'];
  const author = 'assistant';
  return [
    ...(keepsAnalysis && typeof analysis === 'string' && analysis !== ''
      ? written({ author, channel: 'analysis', content: analysis })
      : []),
    ...(content !== '' || calls.length === 0
      ? written({ author, channel: calls.length > 0 ? 'commentary' : 'final', content })
      : []),
    ...calls.flatMap(({ name, args }) =>
      written({
        author,
        recipient: `${FUNCTIONS}${name}`,
        channel: 'commentary',
        isJson: true,
        content: args,
        end: '<|call|>',
      }),
    ),
  ];
}

interface Call {
  readonly id: unknown;
  readonly name: string;
  readonly args: string;
}

function callsOf({ tool_calls: calls }: JsonObject): Call[] {
  if (!Array.isArray(calls)) return [];
  return calls.filter(isObject).map(({ id, function: called }) => {
    const { name, arguments: args } = isObject(called) ? called : {};
    return {
      id,
      name: String(name),
      args: typeof args === 'string' ? args : JSON.stringify(args ?? {}),
    };
  });
}

function toolSection(tools: NonNullable<Chat['tools']>): string {
  const types = tools.flatMap(({ function: about }) => {
    const { description } = about as JsonObject;
    const lines = typeof description === 'string' ? linesOf(description) : [];
    const parameters = about.parameters === undefined ? '' : `_: ${typeOf(about.parameters)}`;
    return [...lines.map((line) => `// ${line}`), `type ${about.name} = (${parameters}) => any;\n`];
  });
  return [
    '# Tools',
    ['## functions\n', 'namespace functions {\n', ...types, '} // namespace functions'].join('\n'),
  ].join('\n\n');
}

/** The lines of a text. A line break at the end begins no further line. */
function linesOf(text: string): string[] {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}
