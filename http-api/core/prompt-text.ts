import { introspectChat, MESSAGE_FRAMING_TOKENS, TOKENS_PER_IMAGE } from './introspect.ts';
import { isGiven, isObject, type JsonObject } from './json.ts';
import { lowerRequest, type Surface } from './surfaces/surface.ts';

/** A prompt whose tokens are counted. */
export interface CountedPrompt {
  readonly model: string;
  /** Its tokens, estimated by its length. */
  readonly promptEstimate: number;
  /**
   * All text that the model reads, without the marks of its template; undefined if it is too long for
   * a tokenizer.
   */
  readonly text: string | undefined;
  /** Estimated tokens of those marks and of the images. */
  readonly framingTokens: number;
  /** Names of the fields of the request that have no effect. */
  readonly ignored: readonly string[];
}

/** Largest text that is counted with a tokenizer, in characters. */
const MAX_COUNTED_CHARACTERS = 1_000_000;

/** Reads a request whose prompt is counted. Throws an ApiError with its fault. */
export function countedPrompt(surface: Surface, body: JsonObject): CountedPrompt {
  const { chat, ignored } = lowerRequest(surface, body);
  const { model, promptEstimate, body: checked } = introspectChat(chat);
  const { text, framingTokens } = promptText(checked);
  const isLong = text.length > MAX_COUNTED_CHARACTERS;
  return { model, promptEstimate, text: isLong ? undefined : text, framingTokens, ignored };
}

function promptText(body: JsonObject): { text: string; framingTokens: number } {
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
