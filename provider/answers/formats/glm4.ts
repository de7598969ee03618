import type { JsonObject } from '../../models/json.ts';
import { calledIn } from '../called-in.ts';
import type { AnswerPart, FormatFamily, TemplateConversation } from '../format.ts';
import { JsonValueEnd } from '../json-value-end.ts';
import { type CallReader, type CallsInText, formatWithMarks } from '../marked-text-reader.ts';

const CALLS: CallsInText = {
  form: {
    tag: (name, parameters) => ({
      begin: `${name}\n`,
      content: { type: 'json_schema', json_schema: parameters },
      end: '',
    }),
  },
  // The template writes a space after the name, and some answers have none.
  marks: (tools) =>
    tools.flatMap((tool) =>
      [`${tool}\n{`, `${tool} \n{`].map((text) => ({ text, at: 'line' as const, kept: 1, tool })),
    ),
  reader: ({ tool = '' }) => new NamedCallReader(tool),
};

/**
 * GLM-4-0414: a line with the name of a tool, and then its arguments in JSON, without any mark. Only
 * names of offered tools are calls, because any text may have a line with one word.
 */
export const GLM4_FORMAT: FormatFamily = {
  name: 'GLM-4',
  of: (facts) =>
    facts.template.includes('<|observation|>') && facts.template.includes('metadata')
      ? formatWithMarks(facts, {
          calls: CALLS,
          endTokens: ['<|user|>', '<|observation|>'],
          argumentsAreText: true,
          conversation,
        })
      : undefined,
};

/** The template has a message for each call, whose `metadata` is the tool, and results as observations. */
function conversation({ messages, tools }: TemplateConversation): TemplateConversation {
  return {
    tools,
    messages: messages.flatMap((message): JsonObject[] => {
      if (message['role'] === 'tool') return [{ ...message, role: 'observation' }];
      const { tool_calls: _, ...text } = message;
      const calls = calledIn(message).map(({ name, args }) => ({
        role: 'assistant',
        metadata: name,
        content: args,
      }));
      return calls.length > 0 && text['content'] === '' ? calls : [text, ...calls];
    }),
  };
}

/** Reads the arguments of a call whose name was read with its mark. */
class NamedCallReader implements CallReader {
  calls = 0;
  rest: string | undefined;
  readonly #name: string;
  readonly #value = new JsonValueEnd();

  constructor(name: string) {
    this.#name = name;
  }

  push(text: string): AnswerPart[] {
    const length = this.#value.push(text);
    const call: AnswerPart[] = this.calls === 0 ? [{ k: 'call', name: this.#name }] : [];
    this.calls = 1;
    if (this.#value.isOver) this.rest = text.slice(length);
    return [...call, { k: 'arguments', text: text.slice(0, length) }];
  }

  end(): string {
    return '';
  }
}
