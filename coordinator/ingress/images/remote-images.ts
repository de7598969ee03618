import { invalid, isObject, type JsonObject } from '#http-api/core/json.ts';
import { ApiError } from '#http-api/errors.ts';
import { RETRY_AFTER_MS } from '#http-api/retry-after.ts';
import { ImageError } from './image-address.ts';
import type { ImageRules } from './image-fetcher.ts';

/** Most images of one request that are fetched. */
const MAX_IMAGES = 8;
/** Most characters of the fetched images of a request, as base64. */
const MAX_CHARACTERS = 12 * 1_024 * 1_024;
/** Requests whose images are fetched at the same time, on one ingress and for one account. */
const MAX_FETCHING = 16;
const MAX_FETCHING_OF_ACCOUNT = 4;
/** An image of one pixel, which stands for an image that has not been fetched. */
const PLACEHOLDER =
  'data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7';

interface Options {
  readonly rules: ImageRules;
  readonly fetchImage: (address: string, rules: ImageRules) => Promise<string>;
}

/** Replaces the addresses of images in chat requests by the images, which the ingress fetches. */
export class RemoteImages {
  readonly #options: Options;
  /** The accounts whose images are being fetched, with the number of their requests. */
  readonly #fetching = new Map<string, number>();

  constructor(options: Options) {
    this.#options = options;
  }

  /**
   * The chat request with a small image in place of each address, so that it can be checked and
   * counted before anything is fetched; undefined if it has no address.
   */
  withPlaceholders(chat: JsonObject): JsonObject | undefined {
    const addresses = addressesIn(chat);
    if (addresses.length === 0) return undefined;
    if (addresses.length > MAX_IMAGES)
      throw invalid('messages', `At most ${MAX_IMAGES} images of a request are fetched.`);
    return withImages(chat, () => PLACEHOLDER);
  }

  /** The chat request with the images. Nothing of it is logged: an address is part of the prompt. */
  async fetchAll(chat: JsonObject, account: string): Promise<JsonObject> {
    const fetching = this.#fetching.get(account) ?? 0;
    const all = this.#fetching.values().reduce((sum, count) => sum + count, 0);
    if (fetching >= MAX_FETCHING_OF_ACCOUNT || all >= MAX_FETCHING)
      throw new ApiError(
        'service_unavailable',
        'Too many images are being fetched. Try again, or send the images inline as data: URIs.',
        { retryAfterMs: RETRY_AFTER_MS.unstated },
      );
    this.#fetching.set(account, fetching + 1);
    try {
      const addresses = [...new Set(addressesIn(chat))];
      const images = new Map(
        await Promise.all(addresses.map(async (each) => [each, await this.#fetch(each)] as const)),
      );
      const fetched = addressesIn(chat).map((address) => images.get(address) ?? '');
      if (fetched.reduce((sum, { length }) => sum + length, 0) > MAX_CHARACTERS)
        throw new ApiError(
          'payload_too_large',
          'The images of a request that are fetched have at most 9 MiB together. Send smaller images.',
        );
      return withImages(chat, (address) => images.get(address) ?? '');
    } finally {
      const left = (this.#fetching.get(account) ?? 1) - 1;
      if (left > 0) this.#fetching.set(account, left);
      else this.#fetching.delete(account);
    }
  }

  async #fetch(address: string): Promise<string> {
    try {
      return await this.#options.fetchImage(address, this.#options.rules);
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      throw invalid(
        'messages',
        `The image at ${shown(address)} was not fetched: ${error.message}. Send it inline as a data: URI.`,
      );
    }
  }
}

const MAX_SHOWN = 200;
const shown = (address: string): string =>
  JSON.stringify(address.length > MAX_SHOWN ? `${address.slice(0, MAX_SHOWN)}…` : address);

/** The addresses of images that are not inline. Everything else is left to the check of the chat. */
function addressesIn({ messages }: JsonObject): string[] {
  if (!Array.isArray(messages)) return [];
  return messages.flatMap((message) => partsOf(message).flatMap(addressOf));
}

const partsOf = (message: unknown): readonly unknown[] =>
  isObject(message) && Array.isArray(message['content']) ? message['content'] : [];

function addressOf(part: unknown): string[] {
  if (!isObject(part) || part['type'] !== 'image_url' || !isObject(part['image_url'])) return [];
  const { url } = part['image_url'];
  return typeof url === 'string' && !url.startsWith('data:') ? [url] : [];
}

function withImages(chat: JsonObject, imageAt: (address: string) => string): JsonObject {
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
