import { MESSAGE_FRAMING_TOKENS, TOKENS_PER_IMAGE } from './introspect.ts';
import { isGiven, isObject, type JsonObject } from './json.ts';

interface PromptText {
  /** All text that the model reads, without the marks of its template. */
  readonly text: string;
  /** Estimated tokens of those marks and of the images. */
  readonly framingTokens: number;
}

/** The text of a chat request, for counting its tokens. */
export function promptText(body: JsonObject): PromptText {
  const messages = body['messages'] as readonly JsonObject[];
  const texts: string[] = [];
  let images = 0;
  for (const { content, reasoning_content: reasoning, tool_calls: calls } of messages) {
    for (const part of Array.isArray(content) ? content : [{ text: content }]) {
      if (isObject(part) && part['type'] === 'image_url') images += 1;
      else if (isObject(part) && typeof part['text'] === 'string') texts.push(part['text']);
    }
    if (typeof reasoning === 'string') texts.push(reasoning);
    if (isGiven(calls)) texts.push(JSON.stringify(calls));
  }
  for (const field of ['tools', 'response_format'])
    if (isGiven(body[field])) texts.push(JSON.stringify(body[field]));
  return {
    text: texts.join('\n'),
    framingTokens: MESSAGE_FRAMING_TOKENS * messages.length + TOKENS_PER_IMAGE * images,
  };
}
