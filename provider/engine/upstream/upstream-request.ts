import type { InferenceRequest } from '#bus-schemas';
import { checkChat } from '#http-api/core/chat-request.ts';
import type { ChatRequest } from '#http-api/core/chat-schema.ts';
import { forwardedFields } from '#http-api/core/forwarded-fields.ts';
import { isGiven, type JsonObject } from '#http-api/core/json.ts';
import { ApiError } from '#http-api/errors.ts';
import { RequestRefused } from '../engine.ts';

/**
 * Builds the request for a model server from the fields of the chat contract, and from no others.
 *
 * The attack: a blind client seals its request itself, so the ingress has not checked it. Model
 * servers have fields that load adapters from a path, download models or run templates, and they
 * fetch the addresses of images, which would let a stranger reach the owner's network.
 */
export function upstreamRequest(
  chat: InferenceRequest['chat'],
  { model, maxTokens }: { model: string; maxTokens: number },
): JsonObject {
  const checked = check({ ...chat, model });
  const { messages, tools, reasoning_effort: effort } = checked;
  const { continue_final_message: isContinued, ...fields } = forwardedFields(checked);
  return {
    ...fields,
    messages: messages.map(messageOf),
    ...(isGiven(tools) && { tools: tools?.map(toolOf) }),
    ...(isGiven(checked.response_format) && { response_format: formatOf(checked.response_format) }),
    ...(isGiven(checked.tool_choice) && { tool_choice: choiceOf(checked.tool_choice) }),
    // vLLM reads these two fields; llama.cpp always continues a last message of the assistant.
    ...(isContinued === true && { continue_final_message: true, add_generation_prompt: false }),
    // Models reason only on request, as they do with the engines of this program.
    chat_template_kwargs: { enable_thinking: isGiven(effort) && effort !== 'none' },
    model,
    max_tokens: maxTokens,
    stream: true,
    stream_options: { include_usage: true },
  };
}

function check(body: JsonObject): ChatRequest {
  try {
    return checkChat(body).chat;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw new RequestRefused('invalid_request', { detail: error.message, cause: error });
  }
}

type Message = ChatRequest['messages'][number];

function messageOf({ role, content, tool_calls: calls, tool_call_id: answers }: Message) {
  return {
    role,
    content: Array.isArray(content) ? content.map(partOf) : (content ?? null),
    ...(isGiven(calls) && {
      tool_calls: calls?.map(({ id, function: { name, arguments: text } }) => ({
        id,
        type: 'function',
        function: { name, arguments: text },
      })),
    }),
    ...(isGiven(answers) && { tool_call_id: answers }),
  };
}

type Part = Extract<Message['content'], readonly unknown[]>[number];

const partOf = (part: Part) =>
  part.type === 'text'
    ? { type: part.type, text: part.text }
    : { type: part.type, image_url: { url: part.image_url.url } };

function toolOf({ function: tool }: NonNullable<ChatRequest['tools']>[number]) {
  const { name, description, parameters } = tool as typeof tool & { description?: unknown };
  return {
    type: 'function',
    function: {
      name,
      ...(typeof description === 'string' && { description }),
      ...(isGiven(parameters) && { parameters }),
    },
  };
}

function formatOf(format: ChatRequest['response_format']) {
  if (format?.type !== 'json_schema') return { type: format?.type };
  const { schema } = format.json_schema;
  return { type: format.type, json_schema: { name: 'answer', strict: true, schema: schema ?? {} } };
}

const choiceOf = (choice: ChatRequest['tool_choice']) =>
  typeof choice === 'object'
    ? { type: 'function', function: { name: choice?.function.name } }
    : choice;
