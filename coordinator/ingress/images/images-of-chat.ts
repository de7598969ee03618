import { invalid, isObject, type JsonObject } from '#http-api/core/json.ts';

/** The images of a chat request that are named by their address, and the images in their place. */

/** Most images of one request that are fetched. */
const MAX_IMAGES = 8;
/** An image of one pixel, which stands for an image that has not been fetched. */
const PLACEHOLDER =
  'data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7';

/** The addresses of images that are not inline. Everything else is left to the check of the chat. */
export function addressesIn({ messages }: JsonObject): string[] {
  if (!Array.isArray(messages)) return [];
  const addresses = messages.flatMap((message) => partsOf(message).flatMap(addressOf));
  if (addresses.length > MAX_IMAGES)
    throw invalid('messages', `At most ${MAX_IMAGES} images of a request are fetched.`);
  return addresses;
}

/**
 * The chat request with a small image in place of each address, so that it can be checked and
 * counted before anything is fetched.
 */
export const withPlaceholders = (chat: JsonObject): JsonObject => placed(chat, () => PLACEHOLDER);

/** The chat request with the images that were fetched. */
export const withImages = (chat: JsonObject, images: ReadonlyMap<string, string>): JsonObject =>
  placed(chat, (address) => images.get(address) ?? '');

function placed(chat: JsonObject, imageAt: (address: string) => string): JsonObject {
  const messages = (chat['messages'] as readonly unknown[]).map((message) => {
    const parts = partsOf(message);
    if (!parts.some((part) => addressOf(part).length > 0)) return message;
    const content = parts.map((part) => {
      const [found] = addressOf(part);
      if (found === undefined) return part;
      const { image_url: image, ...rest } = part as JsonObject;
      return { ...rest, image_url: { ...(image as JsonObject), url: imageAt(found) } };
    });
    return { ...(message as JsonObject), content };
  });
  return { ...chat, messages };
}

const partsOf = (message: unknown): readonly unknown[] =>
  isObject(message) && Array.isArray(message['content']) ? message['content'] : [];

function addressOf(part: unknown): string[] {
  if (!isObject(part) || part['type'] !== 'image_url' || !isObject(part['image_url'])) return [];
  const { url } = part['image_url'];
  return typeof url === 'string' && !url.startsWith('data:') ? [url] : [];
}
