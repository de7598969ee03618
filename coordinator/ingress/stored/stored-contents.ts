import { isStoredId, MAX_LISTED_BYTES, MAX_SEALED_BYTES, services } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { ApiError } from '#http-api/errors.ts';
import { accountRefusals, refusalError } from '#http-api/refusals.ts';
import { answerOf } from '../call-until.ts';
import { callerKey, openForCaller, sealForCaller } from '../caller-cipher.ts';

/**
 * Longest lifetime, in milliseconds: of a stored response or a file, and of a conversation after its
 * last change.
 */
export const LIFETIME_MS = 30 * 86_400_000;
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

/** Bytes of an object that never changes. */
interface PutBytes {
  readonly id: string;
  readonly bytes: Buffer;
  /** Unix time in milliseconds. */
  readonly expiresAt: number;
  /** The kind under which the caller lists the object; absent if it is not listed. */
  readonly listedAs?: string;
}

/**
 * The responses, conversations and files of one caller, which the component accounts stores.
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
    await this.#put({
      id,
      version,
      state: runsUntil === undefined ? 'ended' : 'running',
      ...(runsUntil !== undefined && { runsUntil }),
      sealed,
      expiresAt: this.#now() + LIFETIME_MS,
    });
  }

  async putBytes({ id, bytes, expiresAt, listedAs }: PutBytes): Promise<void> {
    const sealed = sealForCaller(this.#cipherOf(id), bytes);
    if (sealed.length > (listedAs === undefined ? MAX_SEALED_BYTES : MAX_LISTED_BYTES))
      throw new ApiError('payload_too_large', 'The name of the file is too long.');
    const listTag = listedAs === undefined ? {} : { listTag: this.#listTag(listedAs) };
    await this.#put({ id, version: 0, state: 'ended', sealed, expiresAt, ...listTag });
  }

  /**
   * Throws `not_found` for an id of another account or API key, of another kind of object, or of
   * another form, as for an unknown id.
   */
  async read<Content>(kind: 'resp' | 'conv' | 'file', id: string): Promise<Stored<Content>> {
    if (!id.startsWith(`${kind}_`)) throw refusalError(accountRefusals.readStored.unknown);
    const { bytes, version, state } = await this.#read(id);
    return { content: JSON.parse(bytes.toString()) as Content, version, state };
  }

  async readBytes(id: string): Promise<Buffer> {
    return (await this.#read(id)).bytes;
  }

  /** A page of the objects that this API key listed under a name. */
  async list<Content>(
    listedAs: string,
    page: { readonly after?: string; readonly oldestFirst: boolean; readonly limit: number },
  ): Promise<{ readonly contents: readonly Content[]; readonly hasMore: boolean }> {
    const { account } = this.#owner;
    const asked = { account, listTag: this.#listTag(listedAs), ...page };
    const { objects, hasMore } = await answerOf(
      this.#bus,
      services.accounts.listStored,
      asked,
      CALL,
    );
    const contents = objects.map(({ id, sealed }) =>
      JSON.parse(openForCaller(this.#cipherOf(id), Buffer.from(sealed)).toString()),
    );
    return { contents, hasMore };
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

  async #put(
    object: Omit<Parameters<typeof services.accounts.putStored.request.encode>[0], 'account'>,
  ): Promise<void> {
    const { account } = this.#owner;
    const named = { account, ...object };
    const answer = await answerOf(this.#bus, services.accounts.putStored, named, CALL);
    if (!answer.ok) throw refusalError(accountRefusals.putStored[answer.code]);
  }

  async #read(id: string): Promise<Omit<Stored<never>, 'content'> & { readonly bytes: Buffer }> {
    if (!isStoredId(id)) throw refusalError(accountRefusals.readStored.unknown);
    const answer = await answerOf(this.#bus, services.accounts.readStored, this.#named(id), CALL);
    if (!answer.ok) throw refusalError(accountRefusals.readStored[answer.code]);
    const { version, state, sealed } = answer;
    try {
      return { bytes: openForCaller(this.#cipherOf(id), Buffer.from(sealed)), version, state };
    } catch (cause) {
      throw new ApiError('not_found', accountRefusals.readStored.unknown.message, { cause });
    }
  }

  #listTag(listedAs: string): Buffer {
    return callerKey({ ...this.#owner, purpose: `dinf list ${listedAs}` });
  }

  #named(id: string) {
    return { account: this.#owner.account, id };
  }

  #cipherOf(id: string) {
    return { ...this.#owner, purpose: `dinf stored ${id}` };
  }
}
