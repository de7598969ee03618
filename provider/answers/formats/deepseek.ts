import { isObject, type JsonObject } from '../../models/json.ts';
import { CallSteps } from '../call-steps.ts';
import type { AnswerPart, FormatFamily, TemplateConversation } from '../format.ts';
import { JsonValueEnd } from '../json-value-end.ts';
import { type CallsInText, formatWithMarks, MOST_HEAD } from '../marked-text-reader.ts';
import { isPartOf } from '../stop-strings.ts';

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
export const DEEPSEEK_FORMAT: FormatFamily = {
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
function describing(tools: NonNullable<TemplateConversation['tools']>, kind: Kind): string {
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

const BLOCK = '```json';

/**
 * Reads a call up to its arguments: its name, and the text that begins with them. Returns "wait" if
 * further text must arrive first. It reads each character once: what a model writes must not make a
 * search go back and forth.
 */
function headOf(text: string): { name: string; rest: string } | 'wait' | undefined {
  const unsettled = text.length > MOST_HEAD ? undefined : 'wait';
  if (!text.startsWith(SIGNS.call)) return SIGNS.call.startsWith(text) ? unsettled : undefined;
  const parts = text.slice(SIGNS.call.length, MOST_HEAD).split(SIGNS.separator);
  const [first = '', second] = parts;
  if (second === undefined) {
    const mayFollow = SIGNS.separator.startsWith(first.slice(first.search(/<|$/)));
    return mayFollow && !first.trim().includes('\n') ? unsettled : undefined;
  }
  const after = second.trimStart();
  const restFrom = (place: string) => text.slice(text.indexOf('{', text.indexOf(place)));
  if (after === '') return unsettled;
  if (after.startsWith('{')) {
    const name = first.trim();
    return name === '' || /[<\n]/.test(name)
      ? undefined
      : { name, rest: restFrom(SIGNS.separator) };
  }
  // The call has a type before its name, and its arguments in a block of code.
  const [line = '', ...others] = after.split('\n');
  if (/[<{]/.test(line)) return undefined;
  if (others.length === 0) return unsettled;
  const block = others.join('\n').trimStart();
  const content = block.startsWith('```') ? withoutBlock(block) : block;
  if (content.startsWith('{')) return { name: line.trim(), rest: restFrom(SIGNS.separator) };
  return content === '' || BLOCK.startsWith(block) ? unsettled : undefined;
}

const withoutBlock = (block: string): string =>
  (block.startsWith(BLOCK) ? block.slice(BLOCK.length) : block.slice(3)).trimStart();

/**
 * Reads a list of calls.
 *
 *   call → arguments → end → call …
 */
class DeepSeekCallReader extends CallSteps {
  #state: 'call' | 'arguments' | 'end' = 'call';
  #value = new JsonValueEnd();

  protected step(parts: AnswerPart[]): boolean {
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
    const head = headOf(this.held.trimStart());
    if (head === 'wait') return false;
    if (head === undefined) return this.finish(this.held);
    this.held = head.rest;
    this.#state = 'arguments';
    this.#value = new JsonValueEnd();
    this.calls += 1;
    parts.push({ k: 'call', name: head.name });
    return true;
  }

  #readArguments(parts: AnswerPart[]): boolean {
    const length = this.#value.push(this.held);
    if (length > 0) parts.push({ k: 'arguments', text: this.held.slice(0, length) });
    this.held = this.held.slice(length);
    if (this.#value.isOver) this.#state = 'end';
    return this.#value.isOver;
  }

  /** Skips the end of a block of code and of a call, each of which a model may leave out. */
  #readEnd(): boolean {
    const rest = this.held.trimStart().replace(/^```\s*/, '');
    if (rest === '' || ['```', ...Object.values(SIGNS)].some((mark) => isPartOf(rest, mark)))
      return false;
    if (rest.startsWith(SIGNS.callsEnd)) return this.finish(rest.slice(SIGNS.callsEnd.length));
    if (rest.startsWith(SIGNS.callEnd)) {
      this.held = rest.slice(SIGNS.callEnd.length);
      return true;
    }
    if (!rest.startsWith(SIGNS.call)) return this.finish(rest);
    this.held = rest;
    this.#state = 'call';
    return true;
  }
}
