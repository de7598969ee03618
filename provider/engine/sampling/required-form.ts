import type { InferenceRequest } from '#bus-schemas';
import type { AnswerFormat } from '../../answers/format.ts';

type Chat = InferenceRequest['chat'];

/** The required form of an answer, in XGrammar's structural tag format. */
export type RequiredForm = Readonly<Record<string, unknown>>;

/**
 * Returns the form that the request requires of the answer, or undefined if any text is allowed. A
 * form that is required begins at once, without reasoning before it.
 */
export function requiredForm(chat: Chat, format: AnswerFormat): RequiredForm | undefined {
  const { call, beforeJson } = format;
  const { tools, isRequired, stopsAfterFirst } = callableTools(chat);
  if (tools !== undefined && call !== undefined) {
    const tags = tools.map(({ function: { name, parameters = { type: 'object' } } }) => ({
      type: 'tag',
      ...call.tag(name, parameters),
    }));
    const choices = { at_least_one: isRequired, stop_after_first: stopsAfterFirst };
    if (call.trigger !== undefined)
      return { type: 'triggered_tags', triggers: [call.trigger], tags, ...choices };
    return isRequired
      ? { type: 'tags_with_separator', separator: '\n', tags, ...choices }
      : undefined;
  }
  const schema = wantedSchema(chat);
  if (schema === undefined) return undefined;
  const json = { type: 'json_schema', json_schema: schema };
  if (beforeJson === undefined || chat.continue_final_message === true) return json;
  return { type: 'sequence', elements: [{ type: 'const_string', value: beforeJson }, json] };
}

/** The tools that an answer may call, undefined if none are offered, and whether it must call one. */
function callableTools({
  tools = [],
  tool_choice: choice = 'auto',
  parallel_tool_calls: parallel = true,
}: Chat) {
  const isNamed = typeof choice === 'object';
  const named = isNamed
    ? tools.filter(({ function: { name } }) => name === choice.function.name)
    : tools;
  return {
    tools: choice === 'none' || tools.length === 0 ? undefined : named,
    isRequired: choice !== 'auto',
    stopsAfterFirst: isNamed || !parallel,
  };
}

/** The JSON schema that `response_format` requires of the answer. */
function wantedSchema({ response_format: wanted }: Chat): object | undefined {
  if (wanted === undefined || wanted.type === 'text') return undefined;
  return (
    (wanted.type === 'json_schema' ? wanted.json_schema?.schema : undefined) ?? { type: 'object' }
  );
}
