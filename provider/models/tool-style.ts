/**
 * The format in which a family of models writes a tool call:
 * `begin`{"name": …, `argumentsName`: …}`end`.
 */
export interface ToolStyle {
  readonly begin: string;
  readonly argumentsName: 'arguments' | 'parameters';
  readonly end: string;
  /** The text that starts a call. It distinguishes a call from ordinary text. */
  readonly trigger: string;
  /** True if a call may start only at the beginning of the answer. */
  readonly onlyFirst: boolean;
}

/** Hermes, Qwen and the tiny model of this repository write calls in tags. */
const TAGGED: ToolStyle = {
  begin: '<tool_call>\n',
  argumentsName: 'arguments',
  end: '\n</tool_call>',
  trigger: '<tool_call>',
  onlyFirst: false,
};
/** Llama 3.1 and later write the call as the whole answer, without tags. */
const BARE: ToolStyle = {
  begin: '',
  argumentsName: 'parameters',
  end: '',
  trigger: '{"name": ',
  onlyFirst: true,
};

/** Infers the style from the model's chat template; undefined if it supports no known style. */
export function toolStyleOf(template: string): ToolStyle | undefined {
  if (template.includes('<tool_call>')) return TAGGED;
  if (template.includes('"parameters"') && template.includes('ipython')) return BARE;
  return undefined;
}
