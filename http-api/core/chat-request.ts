import { checkerOf } from '#bus-schemas/platform.ts';
import { ChatRequest } from './chat-schema.ts';
import type { ImageHeader } from './images/image-header.ts';
import { imageUris } from './images/image-uris.ts';
import { readInlineImages, UnusableImage } from './images/inline-image.ts';
import { invalid, isGiven, isObject, type JsonObject, quoted } from './json.ts';
import { checkSchema } from './schema-check.ts';
import { faultOf } from './schema-fault.ts';

/** The check of a chat request: its schema, and the rules that concern several fields. */

const validator = checkerOf(ChatRequest);

interface CheckedChat {
  readonly chat: ChatRequest;
  /** The images of all messages, in their order. */
  readonly images: readonly ImageHeader[];
  readonly hasTools: boolean;
}

/** Throws an ApiError with the reason. Its parameter is the field of the body at fault. */
export function checkChat(body: JsonObject): CheckedChat {
  if (!validator.Check(body)) {
    const { path, message } = faultOf(ChatRequest, validator.Errors(body), 'field');
    throw invalid(path.split('.', 1)[0] ?? '', message);
  }
  const tools = (body.tools ?? []).map((tool) => tool.function);
  for (const [index, { parameters }] of tools.entries())
    if (isObject(parameters)) checkSchema(parameters, `tools[${index}].function.parameters`);
  checkToolChoice(
    body.tool_choice,
    tools.map(({ name }) => name),
  );
  const format = body.response_format;
  if (format?.type === 'json_schema' && isObject(format.json_schema.schema))
    checkSchema(format.json_schema.schema, 'response_format.json_schema.schema');
  checkContinuation(body);
  if (isGiven(body.top_logprobs) && body.logprobs !== true)
    throw invalid('top_logprobs', 'top_logprobs needs logprobs: true.');
  return { chat: body, images: imagesIn(body), hasTools: tools.length > 0 };
}

function checkContinuation({ continue_final_message: isContinued, messages }: ChatRequest): void {
  if (isContinued !== true) return;
  const last = messages.at(-1);
  const isText = typeof last?.content === 'string' && last.content.trim() !== '';
  if (last?.role !== 'assistant' || !isText || isGiven(last.tool_calls))
    throw invalid(
      'messages',
      'An answer can be continued only if the last message is a text of the assistant without tool calls.',
    );
}

/** Of each image, only its header is kept. */
function imagesIn(chat: ChatRequest): ImageHeader[] {
  try {
    return readInlineImages(imageUris(chat.messages)).map(({ bytes, ...header }) => header);
  } catch (cause) {
    throw cause instanceof UnusableImage ? invalid('messages', cause.message) : cause;
  }
}

function checkToolChoice(choice: ChatRequest['tool_choice'], names: readonly string[]): void {
  if (!isGiven(choice) || choice === 'none' || choice === 'auto') return;
  if (names.length === 0)
    throw invalid('tool_choice', 'tool_choice requires a call, but the request has no tools.');
  const named = typeof choice === 'object' ? choice?.function.name : undefined;
  if (named !== undefined && !names.includes(named))
    throw invalid(
      'tool_choice',
      `tool_choice names ${quoted(named)}, which is not among the tools.`,
    );
}
