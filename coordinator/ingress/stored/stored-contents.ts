import { isStoredId, MAX_SEALED_BYTES, services } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { ApiError } from '#http-api/errors.ts';
import { accountRefusals, refusalError } from '#http-api/refusals.ts';
import { answerOf } from '../call-until.ts';
import { openForCaller, sealForCaller } from '../caller-cipher.ts';

/** Lifetime of a stored response, and of a conversation after its last change, in milliseconds. */
const LIFETIME_MS = 30 * 86_400_000;
const CALL = { eachMs: 3_000, totalMs: 6_000 };

/** The caller to whom stored content belongs: one API key of an account. */
export interface StoredOwner {
  readonly account: string;
  /** The caller's API key. */
  readonly secret: string;
}

interface Stored<Content> {
  readonly content: Content;
  readonly version: number;
  readonly state: 'running' | 'ended' | 'cancelled' | 'lost';
}

interface Put {
  readonly id: string;
  readonly content: object;
  /** The version that is replaced; 0 for a new object. */
  readonly version: number;
  /** Until when the response runs unless this is renewed; absent if it has ended. */
  readonly runsUntil?: number;
}

/**
 * The responses and conversations of one caller, which the component accounts stores.
 *
 * Invariant: content leaves this process only sealed under a key that is derived from the API key
 * of its caller, and for its own id. A person who can read or change the database can neither read a
 * content nor put that of one object in the place of another.
 */
export class StoredContents {
  readonly #bus: Bus;
  readonly #now: () => number;
  readonly #owner: StoredOwner;

  constructor({ bus, now }: { bus: Bus; now: () => number }, owner: StoredOwner) {
    this.#bus = bus;
    this.#now = now;
    this.#owner = owner;
  }

  async put({ id, content, version, runsUntil }: Put): Promise<void> {
    const sealed = sealForCaller(this.#cipherOf(id), JSON.stringify(content));
    if (sealed.length > MAX_SEALED_BYTES)
      throw new ApiError(
        'payload_too_large',
        'A response or conversation of more than 480 KiB is not stored. Send the conversation as input, without "store".',
      );
    const answer = await answerOf(
      this.#bus,
      services.accounts.putStored,
      {
        ...this.#named(id),
        version,
        state: runsUntil === undefined ? 'ended' : 'running',
        ...(runsUntil !== undefined && { runsUntil }),
        sealed,
        expiresAt: this.#now() + LIFETIME_MS,
      },
      CALL,
    );
    if (!answer.ok) throw refusalError(accountRefusals.putStored[answer.code]);
  }

  /**
   * Throws `not_found` for an id of another account or API key, of another kind of object, or of
   * another form, as for an unknown id.
   */
  async read<Content>(kind: 'resp' | 'conv', id: string): Promise<Stored<Content>> {
    if (!id.startsWith(`${kind}_`) || !isStoredId(id))
      throw refusalError(accountRefusals.readStored.unknown);
    const answer = await answerOf(this.#bus, services.accounts.readStored, this.#named(id), CALL);
    if (!answer.ok) throw refusalError(accountRefusals.readStored[answer.code]);
    const { version, state } = answer;
    try {
      const text = openForCaller(this.#cipherOf(id), Buffer.from(answer.sealed));
      return { content: JSON.parse(text) as Content, version, state };
    } catch (cause) {
      throw new ApiError('not_found', accountRefusals.readStored.unknown.message, { cause });
    }
  }

  async delete(id: string): Promise<void> {
    await answerOf(this.#bus, services.accounts.deleteStored, this.#named(id), CALL);
  }

  /** Returns false if the response was cancelled, deleted or lost. */
  async renew(id: string, runsUntil: number): Promise<boolean> {
    const renewed = { ...this.#named(id), runsUntil };
    return (await answerOf(this.#bus, services.accounts.renewStored, renewed, CALL)).isRunning;
  }

  async cancel(id: string): Promise<void> {
    await answerOf(this.#bus, services.accounts.cancelStored, this.#named(id), CALL);
  }

  #named(id: string) {
    return { account: this.#owner.account, id };
  }

  #cipherOf(id: string) {
    return { ...this.#owner, purpose: `dinf stored ${id}` };
  }
}
