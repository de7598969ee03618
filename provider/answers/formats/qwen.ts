import type { FormatFamily } from '../format.ts';
import { type CallsInText, formatWithMarks } from '../marked-text-reader.ts';
import { type ArgumentTags, TaggedCallReader } from '../tagged-call-reader.ts';

const MARK = '<tool_call>';
const TAGS: ArgumentTags = {
  call: /^\s*<function=([^>\n]+)>/,
  mayBeCall: /^\s*(<(f(u(n(c(t(i(o(n(=[^>\n]*)?)?)?)?)?)?)?)?)?)?$/,
  mark: '<parameter=',
  argument: /^\s*<parameter=([^>\n]+)>\n?/,
  valueEnd: '</parameter>',
  margin: /\n$/,
  end: '</function>',
  callEnd: '</tool_call>',
};
/** Models leave out the first mark at times, above all before a second call. */
const FUNCTION = '<function=';

const CALLS: CallsInText = {
  form: {
    trigger: MARK,
    tag: (name, parameters) => ({
      begin: `${MARK}\n<function=${name}>\n`,
      content: { type: 'qwen_xml_parameter', json_schema: parameters },
      end: `\n</function>\n</tool_call>`,
    }),
  },
  marks: () => [{ text: MARK }, { text: FUNCTION, kept: FUNCTION.length }],
  reader: (_mark, schemaOf) => new TaggedCallReader(TAGS, schemaOf),
};

/** Qwen 3.5 and 3.6, and the coders of Qwen 3: a tag for each argument. */
export const QWEN_FORMAT: FormatFamily = {
  name: 'Qwen 3.5',
  of: (facts) =>
    [MARK, FUNCTION].every((mark) => facts.template.includes(mark))
      ? formatWithMarks(facts, { calls: CALLS })
      : undefined,
};
