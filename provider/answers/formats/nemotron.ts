import type { FormatFamily } from '../format.ts';
import { JsonCallReader, jsonForm } from '../json-call-reader.ts';
import { type CallsInText, formatWithMarks } from '../marked-text-reader.ts';

const MARK = '<TOOLCALL>';
const END = '</TOOLCALL>';

const CALLS: CallsInText = {
  form: jsonForm({ trigger: MARK, begin: `${MARK}[`, end: `]${END}` }),
  marks: () => [{ text: MARK }],
  reader: () => new JsonCallReader([END]),
};

/** Llama-Nemotron and Nemotron Nano: a list of calls in JSON between tags. */
export const NEMOTRON_FORMAT: FormatFamily = {
  name: 'Nemotron',
  of: (facts) =>
    facts.template.includes(MARK) ? formatWithMarks(facts, { calls: CALLS }) : undefined,
};
