import { isObject, type JsonObject } from '../../models/json.ts';
import type { AnswerPart, Conversation, FormatFamily } from '../format.ts';
import { JsonValueEnd } from '../json-value-end.ts';
import { type CallReader, type CallsInText, formatWithMarks } from '../marked-text-reader.ts';

const SIGNS = {
  calls: '<｜tool▁calls▁begin｜>',
  callsEnd: '<｜tool▁calls▁end｜>',
  call: '<｜tool▁call▁begin｜>',
  callEnd: '<｜tool▁call▁end｜>',
  separator: '<｜tool▁sep｜>',
} as const;

/** True if calls have a type before their name, and their arguments in a block of code, as in R1. */
type Kind = 'plain' | 'typed';

/** A call of one tool up to its arguments, and what stands after them. */
const around = (kind: Kind, name: string): readonly [string, string] =>
  kind === 'plain'
    ? [`${SIGNS.call}${name}${SIGNS.separator}`, SIGNS.callEnd]
    : [`${SIGNS.call}function${SIGNS.separator}${name}\n\`\`\`json\n`, `\n\`\`\`${SIGNS.callEnd}`];

const callsOf = (kind: Kind): CallsInText => ({
  form: {
    trigger: SIGNS.calls,
    tag: (name, parameters) => {
      const [begin, end] = around(kind, name);
      return {
        begin: `${SIGNS.calls}${begin}`,
        content: { type: 'json_schema', json_schema: parameters },
        end: `${end}${SIGNS.callsEnd}`,
      };
    },
  },
  signs: Object.values(SIGNS),
  // Some answers leave out the mark before the first call.
  marks: () => [{ text: SIGNS.calls }, { text: SIGNS.call, kept: SIGNS.call.length }],
  reader: () => new DeepSeekCallReader(),
});

/** DeepSeek V3, V3.1 and R1, and the models that were distilled from R1. */
export const DEEPSEEK: FormatFamily = {
  name: 'DeepSeek',
  signs: Object.values(SIGNS),
  of: (facts) => {
    const { template } = facts;
    if (!template.includes(SIGNS.calls)) return undefined;
    const kind: Kind = template.includes('```json') ? 'typed' : 'plain';
    const rendersTools = /\btools\b/.test(template);
    return formatWithMarks(facts, {
      calls: callsOf(kind),
      reasons: template.includes('think>'),
      argumentsAreText: /\+\s*tool\['function'\]\['arguments'\]/.test(template),
      conversation: ({ messages, tools }) => ({
        tools,
        messages:
          tools === null || rendersTools
            ? messages.map(withoutEmptyText)
            : withTools(messages.map(withoutEmptyText), describing(tools, kind)),
      }),
    });
  },
};

/** Some templates render only one message of the system. */
function withTools(messages: readonly JsonObject[], description: string): readonly JsonObject[] {
  const [first, ...others] = messages;
  if (first?.['role'] !== 'system') return [{ role: 'system', content: description }, ...messages];
  return [{ ...first, content: `${first['content']}\n\n${description}` }, ...others];
}

/** The templates of DeepSeek do not render tools, so that the message of the system describes them. */
function describing(tools: NonNullable<Conversation['tools']>, kind: Kind): string {
  const described = tools.flatMap(({ function: of }) =>
    isObject(of)
      ? [
          `### ${of['name']}\nDescription: ${of['description'] ?? ''}\n\nParameters: ${JSON.stringify(of['parameters'] ?? {})}`,
        ]
      : [],
  );
  const call = around(kind, 'NAME').join('ARGUMENTS');
  const content = [
    '## Tools\nYou may call these tools:',
    ...described,
    `To call tools, write exactly this, with one call after the other:\n${SIGNS.calls}${call}${SIGNS.callsEnd}\nNAME is the name of a tool, and ARGUMENTS is a JSON object that follows its parameters.`,
  ];
  return content.join('\n\n');
}

/** The templates write a second message for a text beside calls, also for an empty one. */
function withoutEmptyText(message: JsonObject): JsonObject {
  const isEmpty = message['content'] === '' && Array.isArray(message['tool_calls']);
  return isEmpty ? { ...message, content: null } : message;
}

/** A call up to its arguments, with its name as the first or second group. */
const CALL = new RegExp(
  `^\\s*${SIGNS.call}\\s*(?:([^<\\n]+?)\\s*${SIGNS.separator}\\s*(?=\\{)|[^<\\n]*${SIGNS.separator}\\s*([^<{\\n]+?)\\s*\\n\\s*(?:\`\`\`(?:json)?\\s*)?(?=\\{))`,
);

/**
 * Reads a list of calls.
 *
 *   call → arguments → end → call …
 */
class DeepSeekCallReader implements CallReader {
  calls = 0;
  rest: string | undefined;
  #state: 'call' | 'arguments' | 'end' = 'call';
  #held = '';
  #value = new JsonValueEnd();

  push(text: string): AnswerPart[] {
    this.#held += text;
    const parts: AnswerPart[] = [];
    while (this.rest === undefined && this.#step(parts));
    return parts;
  }

  end(): string {
    return this.calls === 0 ? this.#held : '';
  }

  /** Returns false if further text must arrive first. */
  #step(parts: AnswerPart[]): boolean {
    switch (this.#state) {
      case 'call':
        return this.#readCall(parts);
      case 'arguments':
        return this.#readArguments(parts);
      case 'end':
        return this.#readEnd();
    }
  }

  #readCall(parts: AnswerPart[]): boolean {
    const begun = CALL.exec(this.#held);
    const name = begun?.[1] ?? begun?.[2];
    if (begun === null || name === undefined) {
      const text = this.#held.trimStart();
      const mayBeCall = SIGNS.call.startsWith(text) || text.startsWith(SIGNS.call);
      if (mayBeCall && !text.includes(SIGNS.callEnd)) return false;
      return this.#finish(this.#held);
    }
    this.#held = this.#held.slice(begun[0].length);
    this.#state = 'arguments';
    this.#value = new JsonValueEnd();
    this.calls += 1;
    parts.push({ k: 'call', name });
    return true;
  }

  #readArguments(parts: AnswerPart[]): boolean {
    const length = this.#value.push(this.#held);
    if (length > 0) parts.push({ k: 'arguments', text: this.#held.slice(0, length) });
    this.#held = this.#held.slice(length);
    if (this.#value.isOver) this.#state = 'end';
    return this.#value.isOver;
  }

  /** Skips the end of a block of code and of a call, each of which a model may leave out. */
  #readEnd(): boolean {
    const rest = this.#held.trimStart().replace(/^```\s*/, '');
    if (rest === '' || ['```', ...Object.values(SIGNS)].some((mark) => isPartOf(rest, mark)))
      return false;
    if (rest.startsWith(SIGNS.callsEnd)) return this.#finish(rest.slice(SIGNS.callsEnd.length));
    if (rest.startsWith(SIGNS.callEnd)) {
      this.#held = rest.slice(SIGNS.callEnd.length);
      return true;
    }
    if (!rest.startsWith(SIGNS.call)) return this.#finish(rest);
    this.#held = rest;
    this.#state = 'call';
    return true;
  }

  #finish(rest: string): boolean {
    this.rest = rest;
    return true;
  }
}

const isPartOf = (text: string, mark: string): boolean =>
  text.length < mark.length && mark.startsWith(text);
