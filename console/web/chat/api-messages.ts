import type { ChatMessage, ToolCall } from './conversation.ts';

type ApiPart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image_url'; readonly image_url: { readonly url: string } };

/** A message as the API and the machines take it. */
export interface ApiMessage {
  readonly role: string;
  readonly content: string | ApiPart[];
  readonly tool_calls?: readonly ApiCall[];
  readonly tool_call_id?: string;
}

interface ApiCall {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: string };
}

/**
 * The messages as the API takes them. An answer without text and without calls is left out, and so
 * are calls that have no result: models refuse a call that is not answered.
 */
export function forApi(messages: readonly ChatMessage[]): ApiMessage[] {
  const answered = new Set(messages.flatMap((each) => (each.role === 'tool' ? [each.callId] : [])));
  return messages.flatMap((message) => apiMessages(message, answered));
}

/** The message for the API; none if it has nothing that a model could read. */
function apiMessages(message: ChatMessage, answered: ReadonlySet<string>): ApiMessage[] {
  switch (message.role) {
    case 'user': {
      const { text, images = [] } = message;
      return [{ role: 'user', content: images.length === 0 ? text : partsOf(text, images) }];
    }
    case 'tool':
      return [{ role: 'tool', content: message.text, tool_call_id: message.callId }];
    case 'assistant': {
      const calls = (message.toolCalls ?? []).filter(({ id }) => answered.has(id)).map(apiCall);
      if (message.text === '' && calls.length === 0) return [];
      const { text: content } = message;
      return [{ role: 'assistant', content, ...(calls.length > 0 && { tool_calls: calls }) }];
    }
  }
}

const partsOf = (text: string, images: readonly string[]): ApiPart[] => [
  ...images.map((url) => ({ type: 'image_url' as const, image_url: { url } })),
  ...(text === '' ? [] : [{ type: 'text' as const, text }]),
];

const apiCall = ({ id, name, text }: ToolCall): ApiCall => ({
  id,
  type: 'function',
  function: { name, arguments: text },
});
