import { createHash } from 'node:crypto';
import { isObject, type JsonObject } from '../../models/json.ts';
import { AnswerText } from '../answer-text.ts';
import type { AnswerPart, AnswerReader, CallForm, FormatFamily, ReaderOptions } from '../format.ts';
import { callIn, jsonForm } from '../json-call-reader.ts';
import { JsonValueEnd } from '../json-value-end.ts';

/** The control tokens that models of Mistral write around the parts of their answers. */
export const MISTRAL_SIGNS = {
  thoughts: '[THINK]',
  thoughtsEnd: '[/THINK]',
  call: '[TOOL_CALLS]',
  callId: '[CALL_ID]',
  callArguments: '[ARGS]',
} as const;

export const MISTRAL_FORMAT: FormatFamily = {
  name: 'Mistral',
  signs: Object.values(MISTRAL_SIGNS),
  of: ({ template, has }) =>
    [MISTRAL_SIGNS.call, MISTRAL_SIGNS.thoughts].some(
      (name) => template.includes(name) && has(name),
    )
      ? {
          reasons: template.includes(MISTRAL_SIGNS.thoughts),
          call: callForm(template),
          reader: (options) => new MistralReader(options),
          beginsThinking: (prompt) => prompt.trimEnd().endsWith(MISTRAL_SIGNS.thoughts),
          conversation: ({ messages, tools }) => ({ messages: messages.map(withShortIds), tools }),
        }
      : undefined,
};

/**
 * How a template of Mistral writes calls. Older models write a list of calls in JSON, later ones the
 * name, an id of nine characters and the arguments, and the newest leave out the id.
 */
function callForm(template: string): CallForm | undefined {
  const { call, callId, callArguments } = MISTRAL_SIGNS;
  if (!template.includes(call)) return undefined;
  if (!template.includes(callArguments)) {
    const space = template.includes(`${call} [`) ? ' ' : '';
    return jsonForm({ trigger: call, begin: `${call}${space}[`, end: ']' });
  }
  const hasId = template.includes(callId);
  return {
    trigger: call,
    tag: (name, parameters) => {
      const json = { type: 'json_schema', json_schema: parameters };
      if (!hasId) return { begin: `${call}${name}${callArguments}`, content: json, end: '' };
      const elements = [
        { type: 'regex', pattern: '[a-zA-Z0-9]{9}' },
        { type: 'const_string', value: callArguments },
        json,
      ];
      return { begin: `${call}${name}${callId}`, content: { type: 'sequence', elements }, end: '' };
    },
  };
}

/** Templates of Mistral refuse ids of calls that are not nine letters and digits. */
function withShortIds(message: JsonObject): JsonObject {
  const { tool_calls: calls, tool_call_id: id } = message;
  return {
    ...message,
    ...(Array.isArray(calls) && {
      tool_calls: calls.map((call) =>
        isObject(call) ? { ...call, id: shortId(call['id']) } : call,
      ),
    }),
    ...(id !== undefined && { tool_call_id: shortId(id) }),
  };
}

const shortId = (id: unknown): string =>
  typeof id === 'string' && /^[a-zA-Z0-9]{9}$/.test(id)
    ? id
    : createHash('sha256').update(String(id)).digest('hex').slice(0, 9);

/**
 * Separates text, reasoning and tool calls of Mistral's models while an answer arrives. Only control
 * tokens are structure: text that spells their names is content.
 *
 *   text ⇄ thoughts        text or thoughts → name (→ id) → arguments → name …
 *                          text or thoughts → name → list
 *
 * A call that was not offered is reasoning, and what stands in the place of a call but is none is text.
 */
class MistralReader implements AnswerReader {
  readonly #offersTools: boolean;
  readonly #text: AnswerText;
  #state: 'text' | 'thoughts' | 'name' | 'id' | 'arguments' | 'list';
  /** Characters that are not returned yet. */
  #held = '';
  #value = new JsonValueEnd();
  #hasValue = false;
  #calls = 0;

  constructor({ tools, continues, thinksFirst }: ReaderOptions) {
    this.#offersTools = tools.length > 0;
    this.#text = new AnswerText(continues);
    this.#state = thinksFirst ? 'thoughts' : 'text';
  }

  get isThinking(): boolean {
    return this.#state === 'thoughts';
  }

  get calls(): number {
    return this.#calls;
  }

  push(text: string): AnswerPart[] {
    if (text === '') return [];
    switch (this.#state) {
      case 'text':
        return this.#text.read(text);
      case 'thoughts':
        return [{ k: 'reasoning', text }];
      case 'id':
        return [];
      case 'name':
        return this.#readName(text);
      case 'arguments':
        return this.#readArguments(text);
      case 'list':
        return this.#readList(text);
    }
  }

  pushSign(name: string): AnswerPart[] {
    switch (name) {
      case MISTRAL_SIGNS.thoughts:
        return this.#enter('thoughts');
      case MISTRAL_SIGNS.thoughtsEnd:
        return this.#state === 'thoughts' ? this.#enter('text') : [];
      case MISTRAL_SIGNS.call:
        return this.#enter('name');
      case MISTRAL_SIGNS.callId:
        if (this.#state === 'name') this.#state = 'id';
        return [];
      case MISTRAL_SIGNS.callArguments:
        return this.#state === 'name' || this.#state === 'id' ? this.#beginCall('') : [];
      default:
        return [];
    }
  }

  /** Ends the answer. The arguments of a call that was cut stay as they are. */
  end(): AnswerPart[] {
    return this.#enter('text');
  }

  #enter(state: 'text' | 'thoughts' | 'name'): AnswerPart[] {
    const rest = this.#held;
    const isText = this.#state === 'name' || this.#state === 'list';
    this.#state = state;
    this.#held = '';
    if (!isText || rest.trim() === '') return [];
    return this.#offersTools ? this.#text.read(rest) : [{ k: 'reasoning', text: rest }];
  }

  /** Some models leave out the control token between the name and the arguments. */
  #readName(text: string): AnswerPart[] {
    this.#held += text;
    const begun = this.#held.trimStart();
    if (begun.startsWith('[') || begun.startsWith('{')) {
      const list = this.#held;
      this.#held = '';
      this.#state = 'list';
      this.#value = new JsonValueEnd();
      return this.#readList(list);
    }
    const at = this.#held.indexOf('{');
    if (at === -1) return [];
    const rest = this.#held.slice(at);
    this.#held = this.#held.slice(0, at);
    return this.#beginCall(rest);
  }

  #beginCall(rest: string): AnswerPart[] {
    const name = this.#held.trim();
    this.#held = '';
    this.#state = 'arguments';
    this.#value = new JsonValueEnd();
    this.#hasValue = false;
    const made = this.#readArguments(rest);
    if (!this.#offersTools) return [{ k: 'reasoning', text: name }, ...made];
    this.#calls += 1;
    return [{ k: 'call', name }, ...made];
  }

  #readArguments(given: string): AnswerPart[] {
    const text = this.#hasValue ? given : given.trimStart();
    if (text === '') return [];
    this.#hasValue = true;
    const length = this.#value.push(text);
    const rest = text.slice(length);
    const k = this.#offersTools ? 'arguments' : 'reasoning';
    const made: AnswerPart[] = length === 0 ? [] : [{ k, text: text.slice(0, length) }];
    if (!this.#value.isOver) return made;
    this.#state = 'name';
    return rest === '' ? made : [...made, ...this.#readName(rest)];
  }

  /** Reads the calls of a list, each as soon as it is complete. */
  #readList(text: string): AnswerPart[] {
    const made: AnswerPart[] = [];
    for (const character of text) {
      if (this.#held === '' && /[\s[\],]/.test(character)) continue;
      this.#held += character;
      this.#value.push(character);
      if (!this.#value.isOver) continue;
      made.push(...this.#listed(this.#held));
      this.#held = '';
      this.#value = new JsonValueEnd();
    }
    return made;
  }

  #listed(text: string): AnswerPart[] {
    if (!this.#offersTools) return [{ k: 'reasoning', text }];
    const call = callIn(text);
    if (call === undefined) return this.#text.read(text);
    this.#calls += 1;
    return [
      { k: 'call', name: call.name },
      { k: 'arguments', text: call.args },
    ];
  }
}
