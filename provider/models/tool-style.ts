/** How a family of models writes a call of a tool: `begin`{"name": …, `argumentsName`: …}`end`. */
export interface ToolStyle {
  readonly begin: string;
  readonly argumentsName: 'arguments' | 'parameters';
  readonly end: string;
  /** The first words of a call, by which it is told from text. */
  readonly trigger: string;
  /** Calls may only begin where the answer begins. */
  readonly onlyFirst: boolean;
}

/** Hermes, Qwen, and our own model. */
const TAGGED: ToolStyle = { begin: '<tool_call>\n', argumentsName: 'arguments', end: '\n</tool_call>', trigger: '<tool_call>', onlyFirst: false };
/** Llama from 3.1 on: the whole answer is the call. */
const BARE: ToolStyle = { begin: '', argumentsName: 'parameters', end: '', trigger: '{"name": ', onlyFirst: true };

/** By what the model's own template says. */
export function toolStyleOf(template: string): ToolStyle | undefined {
  if (template.includes('<tool_call>')) return TAGGED;
  if (template.includes('"parameters"') && template.includes('ipython')) return BARE;
  return undefined;
}
