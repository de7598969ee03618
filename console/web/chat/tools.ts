/** The functions that a model may call in a chat. The person plays each of them. */

export interface ChatTool {
  readonly type: 'function';
  readonly function: {
    readonly name: string;
    readonly description?: string;
    readonly parameters?: Record<string, unknown>;
  };
}

const MAX_TOOLS = 16;
const NAME = /^[a-zA-Z0-9_-]{1,64}$/;

/** A tool to begin with. */
export const EXAMPLE_TOOLS = JSON.stringify(
  [
    {
      name: 'get_weather',
      description: 'The weather in a city now',
      parameters: {
        type: 'object',
        properties: { city: { type: 'string' } },
        required: ['city'],
      },
    },
  ],
  undefined,
  2,
);

/** The tools in a JSON text; undefined if the text is not a list of functions with names. */
export function toolsIn(text: string): ChatTool[] | undefined {
  if (text.trim() === '') return [];
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    // The person is still writing, or made a mistake: the form says so.
    return undefined;
  }
  if (!Array.isArray(list) || list.length > MAX_TOOLS) return undefined;
  const tools = list.map(toolOf);
  return tools.every((tool) => tool !== undefined) ? tools : undefined;
}

/** A function by itself, or inside of `{"type": "function", "function": …}` as in the API. */
function toolOf(value: unknown): ChatTool | undefined {
  if (!isObject(value)) return undefined;
  const { name, description, parameters } = isObject(value['function']) ? value['function'] : value;
  if (typeof name !== 'string' || !NAME.test(name)) return undefined;
  if (description !== undefined && typeof description !== 'string') return undefined;
  if (parameters !== undefined && !isObject(parameters)) return undefined;
  return {
    type: 'function',
    function: {
      name,
      ...(description !== undefined && { description }),
      ...(parameters !== undefined && { parameters }),
    },
  };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
