import { invalid, isGiven, isObject, type JsonObject } from '#http-api/core/json.ts';
import { failedResponse } from '#http-api/core/surfaces/response-resource.ts';
import { itemsOfInput } from '#http-api/core/surfaces/responses-conversation.ts';
import { STORED_FIELDS } from '#http-api/core/surfaces/responses-request.ts';
import { ApiError } from '#http-api/errors.ts';
import { LargeField } from '../bodies/large-fields.ts';
import type { StoredContents } from './stored-contents.ts';

export interface StoredResponse {
  /** The response as its caller received it, or as it was when it began. */
  readonly response: JsonObject;
  /** The whole input: the conversation so far, and the input of the request. */
  readonly items: readonly unknown[];
}

/** A conversation as the API prints it, without its items. */
interface Conversation {
  readonly id: string;
  readonly object: 'conversation';
  /** Unix time in seconds. */
  readonly created_at: number;
  readonly metadata: JsonObject;
}

export interface StoredConversation {
  readonly conversation: Conversation;
  readonly items: readonly JsonObject[];
}

/** A request for a response that refers to stored state, or will be stored. */
export interface StatefulRequest {
  /** The request with the whole conversation as its input, without the fields about stored state. */
  readonly body: JsonObject;
  /** The request as the response repeats it. */
  readonly echo: JsonObject;
  readonly isStored: boolean;
  /** Whether the response goes on without a connection. */
  readonly isBackground: boolean;
  /** The conversation that gets the new items. */
  readonly conversation: string | undefined;
  /** The input of this request alone, if it is stored. */
  readonly ownItems: readonly unknown[];
}

/** Whether a request stores its response, or refers to stored state. */
export function refersToState(body: JsonObject): boolean {
  for (const field of ['store', 'background'] as const)
    if (isGiven(body[field]) && typeof body[field] !== 'boolean')
      throw invalid(field, `${field} must be true or false.`);
  return isStored(body) || isGiven(body['previous_response_id']) || isGiven(body['conversation']);
}

/** Whether the input of a request is stored, with its response or in a conversation. */
export const storesInput = (body: JsonObject): boolean =>
  isStored(body) || isGiven(body['conversation']);

const isStored = ({ store, background }: JsonObject) => store === true || background === true;

/** Reads the state that a request refers to. Only an input that is not stored may be a stand-in. */
export async function openStateful(
  body: JsonObject,
  contents: StoredContents,
): Promise<StatefulRequest> {
  const { background, previous_response_id: previous, conversation } = body;
  checkCombination(body);
  const conversationId = isGiven(conversation) ? idOf(conversation, 'conversation') : undefined;
  const earlier =
    conversationId !== undefined
      ? (await contents.read<StoredConversation>('conv', conversationId)).content.items
      : isGiven(previous)
        ? await itemsAfter(idOf(previous, 'previous_response_id'), contents)
        : [];
  const { input } = body;
  const ownItems = input instanceof LargeField ? [] : itemsOfInput(input);
  const rest = Object.fromEntries(
    Object.entries(body).filter(([field]) => !STORED_FIELDS.some((stored) => stored === field)),
  );
  return {
    body: {
      ...rest,
      input: input instanceof LargeField ? input.after(earlier) : [...earlier, ...ownItems],
    },
    echo: { ...body, store: isStored(body) },
    isStored: isStored(body),
    isBackground: background === true,
    conversation: conversationId,
    ownItems,
  };
}

function checkCombination({
  store,
  background,
  stream,
  previous_response_id: previous,
  conversation,
}: JsonObject): void {
  if (background === true && stream === true)
    throw invalid(
      'background',
      'A response in the background is not streamed. Leave stream out, and poll GET /v1/responses/{id}.',
    );
  if (background === true && store === false)
    throw invalid('store', 'A response in the background is always stored.');
  if (isGiven(previous) && isGiven(conversation))
    throw invalid(
      'previous_response_id',
      'A response continues either a conversation or a previous response, not both.',
    );
}

/** The id in a field, which may be a text or, for a conversation, an object with an id. */
function idOf(value: unknown, field: 'conversation' | 'previous_response_id'): string {
  const id = field === 'conversation' && isObject(value) ? value['id'] : value;
  if (typeof id !== 'string') throw invalid(field, `${field} must be an id.`);
  return id;
}

const notFound = (options: { cause?: unknown } = {}) =>
  new ApiError(
    'previous_response_not_found',
    'This API key has stored no such response, or it has expired or was deleted. Send the whole conversation.',
    { param: 'previous_response_id', ...options },
  );

/** The whole conversation after a stored response. */
async function itemsAfter(id: string, contents: StoredContents): Promise<unknown[]> {
  const { response, items } = await readResponse(id, contents).catch((error: unknown) => {
    throw error instanceof ApiError && error.code === 'not_found'
      ? notFound({ cause: error })
      : error;
  });
  if (response['status'] !== 'completed' && response['status'] !== 'incomplete')
    throw invalid(
      'previous_response_id',
      `Only a response that has ended can be continued; this one is ${response['status']}.`,
    );
  return [...items, ...(response['output'] as unknown[])];
}

/** A stored response with the status that it has now. */
export async function readResponse(id: string, contents: StoredContents): Promise<StoredResponse> {
  const { content, state } = await contents.read<StoredResponse>('resp', id);
  switch (state) {
    case 'running':
    case 'ended':
      return content;
    case 'cancelled':
      return { ...content, response: { ...content.response, status: 'cancelled' } };
    case 'lost':
      return {
        ...content,
        response: failedResponse(
          content.response,
          'The server that ran this response ended. Only what it had delivered is charged.',
        ),
      };
  }
}
