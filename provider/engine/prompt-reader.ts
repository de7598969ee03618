import { createHash } from 'node:crypto';
import type { InferenceRequest } from '#bus-schemas';
import { imageUris } from '#http-api/core/images/image-uris.ts';
import {
  type InlineImage,
  readInlineImages,
  UnusableImage,
} from '#http-api/core/images/inline-image.ts';
import type { Model } from '../models/model.ts';
import { markupAtEnd, promptLength } from '../models/prompt-part.ts';
import { tokensOfImage } from '../models/vision/vision-shape.ts';
import { RequestRefused } from './engine.ts';

/** An image in a prompt, before its embeddings are computed. */
export interface UnreadImage extends InlineImage {
  /** Position of its first token. */
  readonly at: number;
  /** Number of its tokens. */
  readonly tokens: number;
  /** SHA-256 of the file. */
  readonly digest: string;
}

interface ReadPrompt {
  readonly prompt: readonly number[];
  readonly images: readonly UnreadImage[];
  /** True if the prompt ended with <think>, so that the answer begins with reasoning. */
  readonly thinksFirst: boolean;
}

/**
 * Upper bound of characters per token on average. Longer texts are refused before they are
 * tokenized.
 */
const CHARACTERS_PER_TOKEN = 16;

/** Turns a conversation into the tokens of a prompt. Throws RequestRefused. */
export function readPrompt(
  chat: InferenceRequest['chat'],
  model: Model,
  readsImages: boolean,
): ReadPrompt {
  const { tokenizer, template, format, shape, imageMarks, build, vision } = model;
  const files = usable(() => readInlineImages(imageUris(chat.messages)));
  if (files.length > 0 && !(readsImages && imageMarks))
    throw new RequestRefused('invalid_request', { detail: `${build} reads no images here.` });
  const marks = files.length > 0 ? imageMarks : undefined;
  const counts = usable(() =>
    files.map((file) => (vision === undefined ? 0 : tokensOfImage(vision.shape, file))),
  );
  const written = refusing(() => template.render(chat));
  const rendered = marks?.expand(written, counts) ?? written;
  if (promptLength(rendered) > shape.contextTokens * CHARACTERS_PER_TOKEN)
    throw new RequestRefused('request_exceeds_context');
  const prompt = refusing(() => tokenizer.encode(rendered));
  const places = refusing(() => marks?.placesIn(prompt, counts) ?? []);
  return {
    prompt: marks?.computedFor(prompt) ?? prompt,
    images: places.map((at, index) => ({
      ...placed(files[index] as InlineImage, at),
      tokens: counts[index] as number,
    })),
    thinksFirst: format.beginsThinking(markupAtEnd(rendered)),
  };
}

/** Refuses a request with an image that cannot be used, with the reason. */
function usable<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof UnusableImage)) throw cause;
    throw new RequestRefused('invalid_request', { detail: cause.message, cause });
  }
}

const placed = (file: InlineImage, at: number): Omit<UnreadImage, 'tokens'> => ({
  ...file,
  at,
  digest: createHash('sha256').update(file.bytes).digest('hex'),
});

function refusing<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new RequestRefused('invalid_request', { cause });
  }
}
