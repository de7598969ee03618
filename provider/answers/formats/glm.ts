import type { FormatFamily } from '../format.ts';
import { type CallsInText, formatWithMarks } from '../marked-text-reader.ts';
import { type ArgumentTags, TaggedCallReader } from '../tagged-call-reader.ts';
import { glmArguments } from './glm-grammar.ts';

const MARK = '<tool_call>';
const END = '</tool_call>';
const TAGS: ArgumentTags = {
  call: /^\s*([\w.:-]+)[^\S\n]*(?=[\n<])/,
  mayBeCall: /^\s*[\w.:-]*[^\S\n]*$/,
  mark: '<arg_key>',
  argument: /^\s*<arg_key>([^<\n]+)<\/arg_key>\s*<arg_value>/,
  valueEnd: '</arg_value>',
  margin: /(?!)/,
  end: '',
  callEnd: END,
};

/** `separator` stands after the name, after each key and after each value. */
const callsWith = (separator: string): CallsInText => ({
  form: {
    trigger: MARK,
    tag: (name, parameters) => ({
      begin: `${MARK}${name}${separator}`,
      content: glmArguments(parameters, separator),
      end: END,
    }),
  },
  marks: () => [{ text: MARK }],
  reader: (_mark, schemaOf) => new TaggedCallReader(TAGS, schemaOf),
});

/** GLM-4.5 and later: a tag for the name and a tag for the value of each argument. */
export const GLM_FORMAT: FormatFamily = {
  name: 'GLM',
  texts: [MARK, END, '<arg_key>', '</arg_key>', '<arg_value>', '</arg_value>'],
  of: (facts) => {
    if (!facts.template.includes('<arg_key>')) return undefined;
    // GLM-4.5 and 4.6 write each part on a line of its own, and later versions do not.
    const separator = /<\/arg_key>\s*\n/.test(facts.template) ? '\n' : '';
    return formatWithMarks(facts, { calls: callsWith(separator) });
  },
};
