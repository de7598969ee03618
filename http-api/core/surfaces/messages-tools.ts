import { invalid, isGiven, isObject, type JsonObject, quoted } from '../json.ts';

/** Lowers the tools of an Anthropic request, and the choice among them. */

/**
 * The tools that the model may call now. A tool with `defer_loading` is hidden until a
 * `tool_reference` names it. `tool_addition` and `tool_removal` blocks of later system messages add
 * tools and take them away, in the order of the conversation.
 */
export function toolsOf(tools: unknown, messages: readonly unknown[]): JsonObject[] {
  const known = new Map<string, JsonObject>();
  const offered = new Set<string>();
  const define = (tool: unknown, at: string): void => {
    if (!isObject(tool) || (isGiven(tool['type']) && tool['type'] !== 'custom'))
      throw invalid('tools', `${at}: only tools of your own are supported.`);
    const name = String(tool['name']);
    known.set(name, tool);
    if (tool['defer_loading'] !== true) offered.add(name);
  };
  const list = isGiven(tools) ? tools : [];
  if (!Array.isArray(list)) throw invalid('tools', 'tools must be an array.');
  for (const [index, tool] of list.entries()) define(tool, `tools[${index}]`);
  for (const change of changesIn(messages)) {
    if ('definition' in change) {
      define(change.definition, 'messages: tool_addition');
      continue;
    }
    if (!known.has(change.name))
      throw invalid('messages', `The tool ${quoted(change.name)} is not among the tools.`);
    if (change.isOffered) offered.add(change.name);
    else offered.delete(change.name);
  }
  return [...known.values()].filter(({ name }) => offered.has(String(name))).map(functionOf);
}

type ToolChange =
  | { readonly name: string; readonly isOffered: boolean }
  | { readonly definition: unknown };

function* changesIn(messages: readonly unknown[]): Generator<ToolChange> {
  for (const block of blocksOf(messages)) {
    switch (block['type']) {
      case 'tool_result':
        for (const part of blocksIn(block['content']))
          if (part['type'] === 'tool_reference')
            yield { name: String(part['tool_name']), isOffered: true };
        break;
      case 'tool_addition':
      case 'tool_removal': {
        const tool = isObject(block['tool']) ? block['tool'] : {};
        const isOffered = block['type'] === 'tool_addition';
        if (tool['type'] === 'tool_reference') yield { name: String(tool['name']), isOffered };
        else if (tool['type'] === 'tool_definition' && isOffered)
          yield { definition: tool['definition'] };
        else
          throw invalid(
            'messages',
            `${block['type']} blocks with a tool of type ${quoted(tool['type'])} are not supported.`,
          );
        break;
      }
    }
  }
}

const blocksOf = (messages: readonly unknown[]): JsonObject[] =>
  messages.flatMap((message) => (isObject(message) ? blocksIn(message['content']) : []));
const blocksIn = (content: unknown): JsonObject[] =>
  Array.isArray(content) ? content.filter(isObject) : [];

const functionOf = ({ name, description, input_schema: parameters }: JsonObject): JsonObject => ({
  type: 'function',
  function: { name, description: description ?? '', parameters: parameters ?? { type: 'object' } },
});

export function toolChoiceOf(choice: unknown): JsonObject {
  const type = isObject(choice) ? choice['type'] : undefined;
  const parallel =
    isObject(choice) && choice['disable_parallel_tool_use'] === true
      ? { parallel_tool_calls: false }
      : {};
  switch (type) {
    case 'auto':
    case 'none':
      return { tool_choice: type, ...parallel };
    case 'any':
      return { tool_choice: 'required', ...parallel };
    case 'tool':
      return {
        tool_choice: { type: 'function', function: { name: (choice as JsonObject)['name'] } },
        ...parallel,
      };
    default:
      throw invalid('tool_choice', 'tool_choice.type must be "auto", "any", "tool" or "none".');
  }
}
