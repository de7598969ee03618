import { costFields } from '../answer-cost.ts';
import type { AttemptEnd } from '../attempt-end.ts';
import { isGiven, isObject, type JsonObject } from '../json.ts';
import { logprobsOf } from './openai-shapes.ts';
import { calledByClient } from './responses-tools.ts';
import type { AnswerContent, AnswerHead } from './surface.ts';

/** The objects of OpenAI's Responses API: a response, and the items of its output. */

export type Item = { id: string; type: string } & Record<string, unknown>;

/** The fields of a response before it has any output. */
export function inProgress({ job, createdSeconds, model, request, maxOutputTokens }: AnswerHead) {
  const { reasoning, text, metadata, tools } = request;
  return {
    id: `resp_${job}`,
    object: 'response',
    created_at: createdSeconds,
    completed_at: null as number | null,
    status: 'in_progress',
    background: request['background'] === true,
    error: null,
    incomplete_details: null,
    instructions: request['instructions'] ?? null,
    max_output_tokens: isGiven(request['max_output_tokens']) ? maxOutputTokens : null,
    max_tool_calls: request['max_tool_calls'] ?? null,
    model,
    output: [] as Item[],
    parallel_tool_calls: request['parallel_tool_calls'] ?? true,
    previous_response_id: request['previous_response_id'] ?? null,
    ...conversationOf(request['conversation']),
    prompt_cache_key: request['prompt_cache_key'] ?? null,
    reasoning: {
      effort: isObject(reasoning) ? (reasoning['effort'] ?? null) : null,
      summary: null,
    },
    safety_identifier: request['safety_identifier'] ?? null,
    service_tier: 'default',
    store: request['store'] === true,
    temperature: request['temperature'] ?? 1,
    presence_penalty: request['presence_penalty'] ?? 0,
    frequency_penalty: request['frequency_penalty'] ?? 0,
    text: isObject(text) ? { format: { type: 'text' }, ...text } : { format: { type: 'text' } },
    tool_choice: request['tool_choice'] ?? 'auto',
    tools: Array.isArray(tools) ? tools.map(toolOf) : [],
    top_logprobs: request['top_logprobs'] ?? 0,
    top_p: request['top_p'] ?? 1,
    truncation: 'disabled',
    usage: null,
    user: request['user'] ?? null,
    metadata: isObject(metadata) ? metadata : {},
  };
}

const conversationOf = (conversation: unknown) =>
  isGiven(conversation) && {
    conversation: isObject(conversation) ? conversation : { id: conversation },
  };

/** A tool of the request; a function has all its fields. */
const toolOf = (tool: JsonObject) =>
  tool['type'] === 'function'
    ? {
        ...tool,
        description: tool['description'] ?? null,
        parameters: tool['parameters'] ?? null,
        strict: tool['strict'] ?? null,
      }
    : tool;

export const endStatus = ({ finish }: AttemptEnd) =>
  finish === 'length' ? 'incomplete' : 'completed';

export function endedResponse(head: AnswerHead, output: Item[], attempt: AttemptEnd) {
  const isCut = attempt.finish === 'length';
  return {
    ...inProgress(head),
    status: endStatus(attempt),
    completed_at: isCut ? null : head.nowSeconds(),
    incomplete_details: isCut ? { reason: 'max_output_tokens' } : null,
    output,
    usage: responseUsage(attempt),
  };
}

/** A response that ended with an error, after the items of `output`. */
export const failedResponse = (
  response: object,
  message: string,
  output: readonly Item[] = [],
) => ({
  ...response,
  status: 'failed',
  error: { code: 'server_error', message },
  output,
});

/** A response that its caller cancelled, with the part of the output that had been made. */
export const cancelledResponse = (head: AnswerHead, part: Omit<AnswerContent, 'end'>) => ({
  ...inProgress(head),
  status: 'cancelled',
  output: itemsOf(head, part, 'incomplete'),
});

export const responseUsage = ({ usage, cost }: AttemptEnd) => ({
  input_tokens: usage.promptTokens,
  input_tokens_details: { cached_tokens: usage.cachedTokens },
  output_tokens: usage.completionTokens,
  output_tokens_details: { reasoning_tokens: usage.reasoningTokens ?? 0 },
  total_tokens: usage.promptTokens + usage.completionTokens,
  ...costFields(cost, ['input', 'output']),
});

export function itemsOf(
  head: AnswerHead,
  { text, reasoning, calls, logprobs }: Omit<AnswerContent, 'end'>,
  status: 'completed' | 'incomplete',
): Item[] {
  const id = (prefix: string, index: number) => `${prefix}_${head.job}_${index}`;
  const items: Item[] = [];
  if (reasoning !== '') items.push(reasoningItem(id('rs', 0), reasoning));
  if (text !== '' || calls.length === 0)
    items.push(
      messageItem(
        id('msg', items.length),
        status,
        textPart(text, logprobs && logprobsOf(logprobs).content),
      ),
    );
  for (const call of calls) {
    const called = calledByClient(call, head.request['tools']);
    items.push(callItem(id('fc', items.length), called, 'completed'));
  }
  return items;
}

export const reasoningItem = (id: string, text: string): Item => ({
  id,
  type: 'reasoning',
  summary: text === '' ? [] : [{ type: 'summary_text', text }],
});
export const messageItem = (id: string, status: string, ...content: object[]): Item => ({
  id,
  type: 'message',
  status,
  role: 'assistant',
  content,
});
export const textPart = (text: string, logprobs: readonly object[] = []) => ({
  type: 'output_text',
  text,
  annotations: [],
  logprobs,
});
export const callItem = (
  id: string,
  call: { id: string; name: string; namespace?: string; arguments: string },
  status: string,
): Item => ({
  id,
  type: 'function_call',
  status,
  call_id: call.id,
  ...(call.namespace !== undefined && { namespace: call.namespace }),
  name: call.name,
  arguments: call.arguments,
});
