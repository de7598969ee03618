import type { Logger } from 'pino';
import { messageOf } from '#bus-schemas/message-of.ts';
import { readIfThere, replace } from '#bus-schemas/saved-file.ts';
import { currentHubCa } from './hub-addresses.ts';

/**
 * Interval at which the certificates are compared, in milliseconds. It is much shorter than a
 * rotation of the authority takes, so that a running machine has the next authority in time.
 */
const EVERY_MS = 10 * 60_000;

export interface HubAuthorityOptions {
  readonly coordinatorUrl: string;
  readonly hubCaFile: string;
  /** Makes the leaf read the file again. */
  readonly reload: () => void;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  readonly everyMs?: number;
}

/**
 * Keeps the certificates of the authorities of the hubs up to date while the machine runs. They come
 * over HTTPS, as at the start. If the coordinator does not answer, the present ones stay in use.
 */
export class AuthorityUpdates implements Disposable {
  readonly #options: HubAuthorityOptions;
  readonly #timer: NodeJS.Timeout;

  constructor(options: HubAuthorityOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.compare(), options.everyMs ?? EVERY_MS);
    this.#timer.unref();
  }

  async compare(): Promise<void> {
    const { coordinatorUrl, hubCaFile, reload, log } = this.#options;
    try {
      const ca = await currentHubCa(coordinatorUrl);
      if (ca === undefined || ca === (await readIfThere(hubCaFile))) return;
      await replace(hubCaFile, ca);
      reload();
      log.info('the machine accepts other certificates of the hubs: their authority changes');
    } catch (error) {
      log.warn(
        { because: messageOf(error) },
        'the authority of the hubs could not be read; trying again in ten minutes',
      );
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
