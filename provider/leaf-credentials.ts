import { join } from 'node:path';
import type { Logger } from 'pino';
import { credentialsLifetime, Nkey, providerCredentials, renewalText } from '#bus-schemas';
import { messageOf } from '#bus-schemas/message-of.ts';
import { readIfThere, replace } from '#bus-schemas/saved-file.ts';
import { CoordinatorError, callCoordinator } from './coordinator-call.ts';
import { EnrolError, type Enrolment } from './identity.ts';

/**
 * Pause after a renewal that failed, in milliseconds. It is also the longest time between two
 * checks, because a timer of a sleeping machine does not advance.
 */
const RETRY_MS = 60_000;
const SHORTEST_MS = 1_000;

/**
 * The time from which the credentials should be renewed, in milliseconds since 1970: half of their
 * lifetime, or at once where they have none.
 */
export function renewalTime({
  issuedAt,
  expiresAt,
}: {
  issuedAt: number;
  expiresAt: number | undefined;
}): number {
  return expiresAt === undefined ? 0 : issuedAt + (expiresAt - issuedAt) / 2;
}

export interface LeafCredentialsOptions {
  readonly home: string;
  readonly enrolment: Enrolment;
  /** Used for enrolments of older versions, which do not name their coordinator. */
  readonly coordinatorUrl: string;
  readonly log: Logger;
  /** The time in milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * Keeps the credentials of a leaf valid. The leaf reads the file at each connection: when the hub
 * ends a connection because its credentials have expired, the leaf reconnects with the new ones
 * after 100 ms.
 */
export class LeafCredentials implements Disposable {
  readonly #options: LeafCredentialsOptions;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  private constructor(options: LeafCredentialsOptions) {
    this.#options = options;
  }

  /**
   * Renews the credentials before the leaf connects, if they are due, and again whenever they are.
   * Throws if the machine was removed from the network. If the coordinator cannot be reached, the
   * renewal is tried again every minute.
   */
  static async keep(options: LeafCredentialsOptions): Promise<LeafCredentials> {
    const credentials = new LeafCredentials(options);
    await credentials.#renewIfDue();
    return credentials;
  }

  async #renewIfDue(): Promise<void> {
    const { enrolment, log, now } = this.#options;
    let nextMs = RETRY_MS;
    try {
      const text = (await readIfThere(enrolment.credentialsFile)) ?? '';
      const due = renewalTime(credentialsLifetime(text));
      nextMs = now() < due ? due - now() : await this.#renew();
    } catch (error) {
      if (error instanceof EnrolError && error.code === 'refused') throw error;
      log.warn(
        { because: messageOf(error) },
        'the credentials of the leaf could not be renewed; trying again in a minute',
      );
    }
    if (this.#isOver) return;
    const waitMs = Math.min(RETRY_MS, Math.max(SHORTEST_MS, nextMs));
    this.#timer = setTimeout(
      () =>
        void this.#renewIfDue().catch((error: unknown) =>
          log.error(
            { err: error },
            'the coordinator has removed this machine, which can no longer connect to the hub',
          ),
        ),
      waitMs,
    );
    this.#timer.unref();
  }

  /** Renews the credentials. Returns the milliseconds until the next renewal. */
  async #renew(): Promise<number> {
    const { home, enrolment, log, now } = this.#options;
    const { provider, credentialsFile } = enrolment;
    const seed = await readIfThere(join(home, 'user.nk'));
    if (seed === undefined)
      throw new Error(`${home} has no bus key (user.nk), which signs the request for a renewal`);
    const key = Nkey.fromSeed(seed);
    const { nonce } = await this.#post<{ nonce: string }>('/v1/providers/renewal-nonce', {
      provider,
    });
    const signature = Buffer.from(key.sign(renewalText(provider, nonce))).toString('base64url');
    const renewed = await this.#post<{ user_jwt: string }>('/v1/providers/renew', {
      provider,
      nonce,
      signature,
    });
    const credentials = providerCredentials(renewed.user_jwt, key);
    const lifetime = credentialsLifetime(credentials);
    // Never replace credentials that may still be valid by ones that are not: the machine would
    // lose its connection and could not come back.
    if (lifetime.expiresAt === undefined || lifetime.expiresAt <= now())
      throw new Error('the coordinator sent credentials that have already expired');
    await replace(credentialsFile, credentials);
    log.info(
      { provider, until: new Date(lifetime.expiresAt).toISOString() },
      'the credentials of the leaf were renewed',
    );
    return renewalTime(lifetime) - now();
  }

  async #post<Answer>(path: string, request: object): Promise<Answer> {
    const { coordinatorUrl, enrolment } = this.#options;
    try {
      return await callCoordinator(enrolment.coordinatorUrl ?? coordinatorUrl, path, request);
    } catch (error) {
      throw error instanceof CoordinatorError && error.status === GONE
        ? new EnrolError('refused', error.message, { cause: error })
        : error;
    }
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }
}

/** The HTTP status with which the coordinator answers a machine that was removed. */
const GONE = 410;
