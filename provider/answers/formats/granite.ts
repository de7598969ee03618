import type { FormatFamily } from '../format.ts';
import { JsonCallReader, jsonForm } from '../json-call-reader.ts';
import { type CallsInText, formatWithMarks } from '../marked-text-reader.ts';

const MARK = '<|tool_call|>';
/** Tags in which the model is told to write the text of its answer. */
const TEXT_TAGS = ['<response>', '</response>'] as const;

const CALLS: CallsInText = {
  form: jsonForm({ trigger: MARK, begin: `${MARK}[`, end: ']' }),
  signs: [MARK],
  marks: () => [{ text: MARK }],
  reader: () => new JsonCallReader([]),
};

/** Granite 3: a list of calls in JSON after a control token. */
export const GRANITE_FORMAT: FormatFamily = {
  name: 'Granite',
  of: (facts) => {
    if (!facts.template.includes(MARK)) return undefined;
    const hasTextTags = TEXT_TAGS.every((tag) => facts.template.includes(tag));
    return formatWithMarks(facts, { calls: CALLS, textTags: hasTextTags ? TEXT_TAGS : [] });
  },
};
