import { GEMMA4_SIGNS } from './gemma4-format.ts';

/** The format in which a family of models writes a tool call. */
export interface ToolStyle {
  /**
   * `json`: `begin`{"name": …, `argumentsName`: …}`end`. `parameters`: `begin`<function=NAME>, then
   * <parameter=KEY>, the value and </parameter> for each argument, then </function>`end`. `pairs`, of
   * GLM: `begin`NAME, then <arg_key>KEY</arg_key> and <arg_value>VALUE</arg_value> for each argument,
   * with `separator` after each of these parts, then `end`. `gemma4`:
   * `begin`NAME{KEY:VALUE,…}`end`, with a control token before and after each text. `name`, of
   * Mistral: `begin`NAME[ARGS]{…}`end`; `name and id`: `begin`NAME[CALL_ID]ID[ARGS]{…}`end`.
   */
  readonly form: 'json' | 'parameters' | 'pairs' | 'gemma4' | 'name' | 'name and id';
  readonly begin: string;
  readonly argumentsName: 'arguments' | 'parameters';
  readonly end: string;
  readonly separator?: string;
  /** The text that starts a call. It distinguishes a call from ordinary text. */
  readonly trigger: string;
  /** True if a call may start only at the beginning of the answer. */
  readonly onlyFirst: boolean;
}

/** Hermes, Qwen up to 3 and the tiny model of this repository write calls in tags. */
const TAGGED: ToolStyle = {
  form: 'json',
  begin: '<tool_call>\n',
  argumentsName: 'arguments',
  end: '\n</tool_call>',
  trigger: '<tool_call>',
  onlyFirst: false,
};
/** Qwen 3.5 and the coders of Qwen 3 write each argument in a tag of its own. */
const WITH_PARAMETERS: ToolStyle = { ...TAGGED, form: 'parameters' };
/** Granite 3 writes a list of calls after a control token. */
const LISTED: ToolStyle = {
  form: 'json',
  begin: '<|tool_call|>[',
  argumentsName: 'arguments',
  end: ']',
  trigger: '<|tool_call|>',
  onlyFirst: false,
};
/** Models of Nemotron write such a list between tags. */
const LISTED_IN_TAGS: ToolStyle = {
  ...LISTED,
  begin: '<TOOLCALL>[',
  end: ']</TOOLCALL>',
  trigger: '<TOOLCALL>',
};
/** Llama 3.1 and later write the call as the whole answer, without tags. */
const BARE: ToolStyle = {
  form: 'json',
  begin: '',
  argumentsName: 'parameters',
  end: '',
  trigger: '{"name": ',
  onlyFirst: true,
};
const OF_GEMMA4: ToolStyle = {
  form: 'gemma4',
  begin: `${GEMMA4_SIGNS.call}call:`,
  argumentsName: 'arguments',
  end: GEMMA4_SIGNS.callEnd,
  trigger: GEMMA4_SIGNS.call,
  onlyFirst: false,
};

/** Infers the style from the model's chat template; undefined if it supports no known style. */
export function toolStyleOf(template: string): ToolStyle | undefined {
  // GLM-4.5 and 4.6 write each part on a line of its own, and later versions do not.
  if (template.includes('<arg_key>'))
    return {
      ...TAGGED,
      form: 'pairs',
      begin: '<tool_call>',
      separator: /<\/arg_key>\s*\n/.test(template) ? '\n' : '',
      end: '</tool_call>',
    };
  for (const style of [LISTED, LISTED_IN_TAGS]) if (template.includes(style.trigger)) return style;
  if (template.includes('<tool_call>'))
    return template.includes('<function=') ? WITH_PARAMETERS : TAGGED;
  if (template.includes(GEMMA4_SIGNS.call)) return OF_GEMMA4;
  if (template.includes('"parameters"') && template.includes('ipython')) return BARE;
  return undefined;
}
