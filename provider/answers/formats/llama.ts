import type { FormatFamily } from '../format.ts';
import { JsonCallReader, jsonForm } from '../json-call-reader.ts';
import { type CallsInText, formatWithMarks } from '../marked-text-reader.ts';

/** Stands before calls at times, and before Python for the model's own interpreter. */
const PYTHON = '<|python_tag|>';

const CALLS: CallsInText = {
  form: jsonForm({ trigger: '{"name": ', begin: '', argumentsName: 'parameters', end: '' }),
  signs: [PYTHON],
  // Ordinary text may have JSON in it, so that an object is a call only at the beginning.
  marks: () => [{ text: '{', at: 'start', kept: 1 }, { text: PYTHON }],
  reader: () => new JsonCallReader([], { needsArguments: true }),
};

/** Llama 3.1 and later: the whole answer is a call in JSON, or several with semicolons between them. */
export const LLAMA_FORMAT: FormatFamily = {
  name: 'Llama',
  of: (facts) =>
    facts.template.includes('"parameters"') && facts.template.includes('ipython')
      ? formatWithMarks(facts, { calls: CALLS, endTokens: ['<|eom_id|>', '<|eot_id|>'] })
      : undefined,
};
