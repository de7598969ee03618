import { isObject, type JsonObject } from '../../models/json.ts';
import { calledIn } from '../called-in.ts';
import type { FormatFamily, TemplateConversation } from '../format.ts';
import { JsonCallReader, jsonForm } from '../json-call-reader.ts';
import { type CallsInText, formatWithMarks } from '../marked-text-reader.ts';

const MARK = '<|tool_call|>';
const END = '<|/tool_call|>';
/** Begins a list of calls where the prompt asks for it, and at times where it does not. */
const FUNCTOOLS = 'functools[';

const CALLS: CallsInText = {
  form: jsonForm({ trigger: MARK, begin: `${MARK}[`, end: `]${END}` }),
  signs: [MARK, END],
  marks: () => [{ text: MARK }, { text: FUNCTOOLS, kept: 1 }],
  reader: () => new JsonCallReader([END]),
};
const FUNCTOOLS_FORM = jsonForm({ trigger: FUNCTOOLS, begin: FUNCTOOLS, end: ']' });

/** Phi-4-mini: a call, or a list of calls, in JSON. */
export const PHI_FORMAT: FormatFamily = {
  name: 'Phi-4-mini',
  signs: [MARK, END],
  of: (facts) => {
    const { template, has } = facts;
    if (template.includes('functools'))
      return formatWithMarks(facts, { calls: { ...CALLS, form: FUNCTOOLS_FORM } });
    if (!template.includes('<|tool|>') || !has(MARK) || !has(END)) return undefined;
    // The published template reads the tools from the message of the system, and leaves out calls.
    const readsToolsOfSystem = /message\s*(\[\s*['"]tools['"]\s*\]|\.tools)/.test(template);
    return formatWithMarks(facts, {
      calls: CALLS,
      ...(readsToolsOfSystem && { argumentsAreText: true, conversation }),
    });
  },
};

const INSTRUCTION = 'You are a helpful assistant with some tools.';

function conversation({ messages, tools }: TemplateConversation): TemplateConversation {
  const list = messages.map((message): JsonObject => {
    // The mark of the role `tool` stands around the declarations of tools.
    if (message['role'] === 'tool') return { ...message, role: 'tool_response' };
    const { tool_calls: _, ...rest } = message;
    const calls = calledIn(message).map(
      ({ name, args }) => `{"name": ${JSON.stringify(name)}, "arguments": ${args}}`,
    );
    if (calls.length === 0) return rest;
    return { ...rest, content: `${rest['content']}${MARK}[${calls.join(', ')}]${END}` };
  });
  if (tools === null) return { messages: list, tools };
  const [first] = list;
  const system = first?.['role'] === 'system' ? first : { role: 'system', content: INSTRUCTION };
  const described = JSON.stringify(tools.map((tool) => tool['function']).filter(isObject));
  return {
    tools,
    messages: [{ ...system, tools: described }, ...(system === first ? list.slice(1) : list)],
  };
}
