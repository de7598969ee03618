import { createHash } from 'node:crypto';
import { invalid, isGiven, isObject, type JsonObject, quoted } from '../json.ts';

/**
 * Lowers the tools of a Responses request, and names the tools that its answer calls.
 *
 * A tool of the type `namespace` is a group of functions. The chat contract has no groups, so there
 * the name of a function begins with the name of its group. A call in the answer has the two names
 * apart again, because clients find a tool by both.
 */

/** Name of a function as the client knows it. */
interface ToolName {
  readonly name: unknown;
  readonly namespace?: string;
}

interface OfferedFunction {
  /** Position in the request, for errors. */
  readonly at: string;
  readonly known: ToolName;
  readonly definition: JsonObject;
}

/** Longest name in the chat contract, in characters. */
const MAX_NAME = 64;
/** Length of the digest that ends a shortened name, in hexadecimal digits. */
const DIGEST_LENGTH = 8;

export function functionToolsOf(tools: unknown): JsonObject[] {
  if (!Array.isArray(tools)) throw invalid('tools', 'tools must be an array.');
  const namespaces = new Map<unknown, string | undefined>();
  return [...functionsIn(tools)].map(({ at, known, definition }) => {
    const name = chatName(known);
    if ((known.namespace ?? namespaces.get(name)) !== undefined && namespaces.has(name))
      throw invalid('tools', `${at}: another tool has the same name.`);
    namespaces.set(name, known.namespace);
    return { type: 'function', function: { ...definition, name } };
  });
}

export function functionChoiceOf(choice: unknown, tools: unknown): unknown {
  if (!isObject(choice) || choice['type'] !== 'function' || !('name' in choice)) return choice;
  const known = namesIn(tools).find(({ name }) => name === choice['name']) ?? {
    name: choice['name'],
  };
  return { type: 'function', function: { name: chatName(known) } };
}

/** The name of a function in the chat contract, which is the name that the model reads. */
export function chatName({ name, namespace }: ToolName): unknown {
  if (namespace === undefined) return name;
  const whole = `${namespace}__${name}`;
  if (whole.length <= MAX_NAME) return whole;
  const digest = createHash('sha256').update(whole).digest('hex').slice(0, DIGEST_LENGTH);
  return `${whole.slice(0, MAX_NAME - DIGEST_LENGTH - 1)}_${digest}`;
}

/** A call of an answer, with the names that the client gave the called function. */
export function calledByClient<Call extends { readonly name: string }>(
  call: Call,
  tools: unknown,
): Call & { readonly namespace?: string } {
  const known = namesIn(tools).find((each) => chatName(each) === call.name);
  return known?.namespace === undefined
    ? call
    : { ...call, name: String(known.name), namespace: known.namespace };
}

const namesIn = (tools: unknown): ToolName[] =>
  Array.isArray(tools) ? [...functionsIn(tools)].map(({ known }) => known) : [];

function* functionsIn(tools: readonly unknown[]): Generator<OfferedFunction> {
  for (const [index, tool] of tools.entries()) {
    if (!isObject(tool)) continue;
    const at = `tools[${index}]`;
    if (tool['type'] === 'function')
      yield { at, known: { name: tool['name'] }, definition: definitionOf(tool) };
    else if (tool['type'] === 'namespace') yield* functionsOfNamespace(tool, at);
  }
}

function* functionsOfNamespace(group: JsonObject, at: string): Generator<OfferedFunction> {
  const { name: namespace, tools } = group;
  if (typeof namespace !== 'string' || !Array.isArray(tools))
    throw invalid('tools', `${at}: a namespace needs a name, and its tools in an array.`);
  for (const [index, tool] of tools.entries()) {
    const within = `${at}.tools[${index}]`;
    if (!isObject(tool) || tool['type'] !== 'function') {
      const type = isObject(tool) ? tool['type'] : undefined;
      throw invalid('tools', `${within}: the type ${quoted(type)} is not supported.`);
    }
    const definition = definitionOf(tool);
    yield {
      at: within,
      known: { name: tool['name'], namespace },
      definition: index === 0 ? introducedBy(group['description'], definition) : definition,
    };
  }
}

/** The first function of a group also describes the group, so that the model reads this once. */
function introducedBy(introduction: unknown, definition: JsonObject): JsonObject {
  const texts = [introduction, definition['description']].filter(isGiven);
  return texts.length === 0 ? definition : { ...definition, description: texts.join('\n\n') };
}

const definitionOf = ({ type: _, ...definition }: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(definition).filter(([, value]) => isGiven(value)));
