import { invalid } from '#http-api/core/json.ts';
import { ApiError } from '#http-api/errors.ts';
import { RETRY_AFTER_MS } from '#http-api/retry-after.ts';
import { ImageError } from './image-address.ts';
import type { ImageRules } from './image-fetcher.ts';

/** Most characters of the fetched images of a request, as base64. */
const MAX_CHARACTERS = 12 * 1_024 * 1_024;
/** Requests whose images are fetched at the same time, on one ingress and for one account. */
const MAX_FETCHING = 16;
const MAX_FETCHING_OF_ACCOUNT = 4;

interface Options {
  readonly rules: ImageRules;
  readonly fetchImage: (address: string, rules: ImageRules) => Promise<string>;
}

/** Fetches the images that chat requests name by their address. */
export class RemoteImages {
  readonly #options: Options;
  /** The accounts whose images are being fetched, with the number of their requests. */
  readonly #fetching = new Map<string, number>();

  constructor(options: Options) {
    this.#options = options;
  }

  /**
   * The images of one request by their address, as data: URIs. Nothing of it is logged: an address is
   * part of the prompt.
   */
  async fetchAll(
    addresses: readonly string[],
    account: string,
  ): Promise<ReadonlyMap<string, string>> {
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
      const different = [...new Set(addresses)];
      const images = new Map(
        await Promise.all(different.map(async (each) => [each, await this.#fetch(each)] as const)),
      );
      const fetched = addresses.map((address) => images.get(address) ?? '');
      if (fetched.reduce((sum, { length }) => sum + length, 0) > MAX_CHARACTERS)
        throw new ApiError(
          'payload_too_large',
          'The images of a request that are fetched have at most 9 MiB together. Send smaller images.',
        );
      return images;
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
