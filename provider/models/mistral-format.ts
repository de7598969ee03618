import type { ToolStyle } from './tool-style.ts';

/** The control tokens that models of Mistral write around the parts of their answers. */
export const MISTRAL_SIGNS = {
  thoughts: '[THINK]',
  thoughtsEnd: '[/THINK]',
  call: '[TOOL_CALLS]',
  callId: '[CALL_ID]',
  callArguments: '[ARGS]',
} as const;

/** True if a template is one of Mistral whose control tokens the vocabulary has. */
export const isMistral = (template: string, has: (token: string) => boolean): boolean =>
  [MISTRAL_SIGNS.call, MISTRAL_SIGNS.thoughts].some((name) => template.includes(name) && has(name));

/**
 * The style of a template of Mistral. Older models write a list of calls in JSON, later ones the
 * name, an id of nine characters and the arguments, and the newest leave out the id.
 */
export function mistralToolStyle(template: string): ToolStyle | undefined {
  const { call, callId, callArguments } = MISTRAL_SIGNS;
  if (!template.includes(call)) return undefined;
  const common = { argumentsName: 'arguments', trigger: call, onlyFirst: false } as const;
  if (template.includes(callArguments))
    return {
      ...common,
      form: template.includes(callId) ? 'name and id' : 'name',
      begin: call,
      end: '',
    };
  const space = template.includes(`${call} [`) ? ' ' : '';
  return { ...common, form: 'json', begin: `${call}${space}[`, end: ']' };
}
