import { describe, expect, test } from 'vitest';
import type { Delta } from '#bus-schemas';
import { ApiError } from '../../errors.ts';
import { introspectChat } from '../introspect.ts';
import type { JsonObject } from '../json.ts';
import { responses } from './responses.ts';
import { type AnswerHead, eventData, Gathering, lowerRequest } from './surface.ts';

const parameters = { type: 'object' };
const agents = {
  type: 'namespace',
  name: 'agents',
  description: 'Tools for agents.',
  tools: [
    { type: 'function', name: 'spawn', description: 'Starts one.', parameters },
    { type: 'function', name: 'wait', parameters },
  ],
};
const plain = { type: 'function', name: 'wait', parameters };
const offline = { type: 'web_search', external_web_access: false, search_context_size: 'low' };

const lowered = (body: JsonObject) => {
  const { chat, ignored } = lowerRequest(responses, { model: 'sim', input: 'Hi', ...body });
  return { chat: introspectChat(chat).body, ignored };
};
const refusal = (body: JsonObject) => {
  try {
    lowered(body);
  } catch (error) {
    if (error instanceof ApiError) return { param: error.param, message: error.message };
    throw error;
  }
  return undefined;
};
const namesOf = (chat: JsonObject) =>
  (chat['tools'] as { function: { name: string } }[]).map((tool) => tool.function.name);

describe('a namespace of tools', () => {
  test('becomes functions whose names begin with the name of the namespace', () => {
    const { chat, ignored } = lowered({ tools: [plain, agents] });
    expect(chat['tools']).toEqual([
      { type: 'function', function: { name: 'wait', parameters } },
      {
        type: 'function',
        function: {
          name: 'agents__spawn',
          description: 'Tools for agents.\n\nStarts one.',
          parameters,
        },
      },
      { type: 'function', function: { name: 'agents__wait', parameters } },
    ]);
    expect(ignored).toEqual([]);
  });

  test('keeps the name of its earlier calls', () => {
    const call = { type: 'function_call', call_id: 'a', arguments: '{}' };
    const { chat } = lowered({
      input: [
        { ...call, name: 'wait', namespace: 'agents' },
        { type: 'function_call_output', call_id: 'a', output: 'done' },
      ],
      tools: [agents],
    });
    expect(chat['messages']).toMatchObject([
      { role: 'assistant', tool_calls: [{ id: 'a', function: { name: 'agents__wait' } }] },
      { role: 'tool', tool_call_id: 'a' },
    ]);
  });

  test.each([
    [[agents], 'agents__wait'],
    [[agents, plain], 'agents__wait'],
    [[plain, agents], 'wait'],
  ])('has the function that tool_choice forces by its name: %#', (tools, name) => {
    const { chat } = lowered({ tools, tool_choice: { type: 'function', name: 'wait' } });
    expect(chat['tool_choice']).toEqual({ type: 'function', function: { name } });
  });

  test('may have names that are too long for the chat contract', () => {
    const long = `${'very_'.repeat(20)}long`;
    const tools = [{ ...agents, tools: [{ type: 'function', name: long, parameters }] }];
    const [name = ''] = namesOf(lowered({ tools }).chat);
    expect(name).toMatch(/^agents__very_[a-z_]+_[0-9a-f]{8}$/);
    expect(name).toHaveLength(64);
    expect(answered(tools, name)).toMatchObject({ namespace: 'agents', name: long });
  });

  test.each([
    [[{ ...agents, name: undefined }], 'tools[0]: a namespace needs a name'],
    [[{ ...agents, tools: {} }], 'tools[0]: a namespace needs a name'],
    [[{ ...agents, tools: [7] }], 'tools[0].tools[0]: the type nothing'],
    [[plain, { ...agents, tools: [{ type: 'custom', name: 'x' }] }], 'the type "custom"'],
    [[agents, agents], 'tools[1].tools[0]: another tool has the same name'],
    [[agents, { ...plain, name: 'agents__wait' }], 'tools[1]: another tool has the same name'],
    [[{ ...agents, name: 'my agents' }], 'must be 1 to 64 letters, digits, _ or -'],
  ])('is refused with its place: %#', (tools, message) => {
    const refused = refusal({ tools });
    expect(refused?.param).toBe('tools');
    expect(refused?.message).toContain(message);
  });
});

/** The head of an answer to a request with these tools. */
const head = (tools: readonly object[]): AnswerHead => ({
  job: 'job_x',
  model: 'sim',
  createdSeconds: 1,
  nowSeconds: () => 2,
  includeUsage: true,
  maxOutputTokens: 10,
  promptTokens: { estimate: 1, bound: 1_000 },
  request: { tools },
});
const end = {
  finish: 'tool_calls' as const,
  usage: { promptTokens: 1, cachedTokens: 0, completionTokens: 1 },
};
const callOf = (name: string): Delta => ({
  k: 'tool',
  index: 0,
  id: 'a',
  name,
  text: '{}',
  tokens: 1,
});
/** The item of the whole answer that calls one tool. */
function answered(tools: readonly object[], name: string) {
  const gathering = new Gathering();
  gathering.add(callOf(name));
  const whole = responses.whole(head(tools), { ...gathering.whole(), end }) as {
    output: JsonObject[];
  };
  return whole.output[0];
}

describe('an answer', () => {
  test('has the namespace and the name of a called function apart', () => {
    const tools = [plain, agents];
    expect(answered(tools, 'agents__spawn')).toMatchObject({ namespace: 'agents', name: 'spawn' });
    expect(answered(tools, 'wait')).toMatchObject({ name: 'wait' });
    expect(answered(tools, 'wait')).not.toHaveProperty('namespace');
    // A model can call a tool that was not offered.
    expect(answered(tools, 'agents__fly')).toMatchObject({ name: 'agents__fly' });
  });

  test('has them in every event of its stream', () => {
    const writer = responses.stream(head([agents]));
    const text = writer.delta(callOf('agents__wait')) + writer.finish(end);
    const events = eventData(text).map((data) => JSON.parse(data) as JsonObject);
    const call = { type: 'function_call', namespace: 'agents', name: 'wait' };
    for (const type of ['response.output_item.added', 'response.output_item.done'])
      expect(events).toContainEqual(
        expect.objectContaining({ type, item: expect.objectContaining(call) }),
      );
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'response.function_call_arguments.done', name: 'wait' }),
    );
    expect(events.at(-1)).toMatchObject({ response: { output: [call], tools: [agents] } });
  });
});

describe('a tool that only OpenAI runs', () => {
  test('is left out and named if it asks for nothing', () => {
    const { chat, ignored } = lowered({ tools: [offline, plain, offline] });
    expect(namesOf(chat)).toEqual(['wait']);
    expect(ignored).toEqual(['tools.web_search']);
  });

  test.each([
    ['web_search', 'There is no web search here.'],
    ['mcp', 'The network connects to no MCP servers.'],
    ['custom', 'Offer it as a function.'],
    ['local_shell', 'Offer it as a function.'],
    ['file_search', 'Hosted tools do not exist here.'],
  ])('is refused by name: %s', (type, reason) => {
    const refused = refusal({ tools: [plain, { type }] });
    expect(refused?.param).toBe('tools');
    expect(refused?.message).toContain(`tools[1]: the type "${type}" is not supported: ${reason}`);
  });

  test.each([
    [{ type: 'nom' }, '"nom"'],
    [{ type: 'constructor' }, '"constructor"'],
    [{}, 'nothing'],
    [7, 'nothing'],
  ])('is refused if its type does not exist: %j', (tool, type) => {
    expect(refusal({ tools: [tool] })?.message).toBe(
      `tools[0]: the type ${type} is not supported.`,
    );
  });
});
