import type { FormatFamily } from '../format.ts';
import { JsonCallReader, jsonForm } from '../json-call-reader.ts';
import { type CallsInText, formatWithMarks } from '../marked-text-reader.ts';

const MARK = '<tool_call>';
const END = '</tool_call>';

const CALLS: CallsInText = {
  form: jsonForm({ trigger: MARK, begin: `${MARK}\n`, end: `\n${END}` }),
  marks: () => [{ text: MARK }],
  reader: () => new JsonCallReader([END]),
};

/** Hermes, Qwen up to 3, SmolLM3 and the tiny model of this repository: calls in JSON between tags. */
export const HERMES_FORMAT: FormatFamily = {
  name: 'Hermes',
  texts: [MARK, END],
  of: (facts) =>
    facts.template.includes(MARK) ? formatWithMarks(facts, { calls: CALLS }) : undefined,
};
