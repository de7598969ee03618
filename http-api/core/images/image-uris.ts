import { isObject } from '../json.ts';

/** The addresses of all images of a conversation, in the order in which a model reads them. */
export const imageUris = (messages: readonly { readonly content?: unknown }[]): string[] =>
  messages.flatMap(({ content }) => (Array.isArray(content) ? content.flatMap(uriOf) : []));

function uriOf(part: unknown): string[] {
  if (!isObject(part) || part['type'] !== 'image_url' || !isObject(part['image_url'])) return [];
  const { url } = part['image_url'];
  return typeof url === 'string' ? [url] : [];
}
