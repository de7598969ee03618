import { isStoredId, MAX_LISTED_BYTES, MAX_SEALED_BYTES, services } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { ApiError } from '#http-api/errors.ts';
import { accountRefusals, refusalError } from '#http-api/refusals.ts';
import { answerOf } from '../call-until.ts';
import { type ContentKeys, open, seal } from '../caller-cipher.ts';

/**
 * Longest lifetime, in milliseconds: of a stored response or a file, and of a conversation after its
 * last change.
 */
export const LIFETIME_MS = 30 * 86_400_000;
const CALL = { eachMs: 3_000, totalMs: 6_000 };

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
  /** The object takes the place of results of a batch, which counted before. */
  readonly replacesResults?: boolean;
}

export const tooLargeToStore = (): ApiError =>
  new ApiError(
    'payload_too_large',
    'A response or conversation of more than 480 KiB is not stored. Send the conversation as input, without "store".',
  );

/** The parts of a file have its id and a number. */
const PART_ID = /^(file_[0-9a-z]{24})_\d+$/;
/** The use of the key of an object. All parts of a file have the key of the file. */
export const storedPurpose = (id: string): string => `dinf stored ${PART_ID.exec(id)?.[1] ?? id}`;
/** The use of the key that is the tag of a list. */
export const listPurpose = (listedAs: string): string => `dinf list ${listedAs}`;
/** What a sealed object is bound to, beside its key. */
const placeOf = (id: string): string => (PART_ID.test(id) ? id : '');

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
  readonly #keys: ContentKeys;

  constructor({ bus, now }: { bus: Bus; now: () => number }, keys: ContentKeys) {
    this.#bus = bus;
    this.#now = now;
    this.#keys = keys;
  }

  async put({ id, content, version, runsUntil }: Put): Promise<void> {
    const sealed = this.#seal(id, JSON.stringify(content));
    if (sealed.length > MAX_SEALED_BYTES) throw tooLargeToStore();
    await this.#put({
      id,
      version,
      state: runsUntil === undefined ? 'ended' : 'running',
      ...(runsUntil !== undefined && { runsUntil }),
      sealed,
      expiresAt: this.#now() + LIFETIME_MS,
    });
  }

  async putBytes({ id, bytes, expiresAt, listedAs, replacesResults }: PutBytes): Promise<void> {
    const sealed = this.#seal(id, bytes);
    if (sealed.length > (listedAs === undefined ? MAX_SEALED_BYTES : MAX_LISTED_BYTES))
      throw new ApiError('payload_too_large', 'The name of the file is too long.');
    const listTag = listedAs === undefined ? {} : { listTag: this.#listTag(listedAs) };
    await this.#put({
      id,
      version: 0,
      state: 'ended',
      sealed,
      expiresAt,
      ...listTag,
      ...(replacesResults && { replacesResults }),
    });
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
    const { account } = this.#keys;
    const asked = { account, listTag: this.#listTag(listedAs), ...page };
    const { objects, hasMore } = await answerOf(
      this.#bus,
      services.accounts.listStored,
      asked,
      CALL,
    );
    const contents = objects.map(({ id, sealed }) => JSON.parse(this.#open(id, sealed).toString()));
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
    const { account } = this.#keys;
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
      return { bytes: this.#open(id, sealed), version, state };
    } catch (cause) {
      throw refusalError(accountRefusals.readStored.unknown, { cause });
    }
  }

  #listTag(listedAs: string): Buffer {
    return this.#keys.keyOf(listPurpose(listedAs));
  }

  #named(id: string) {
    return { account: this.#keys.account, id };
  }

  #seal(id: string, content: string | Buffer): Buffer {
    return seal(this.#keys.keyOf(storedPurpose(id)), content, placeOf(id));
  }

  #open(id: string, sealed: Uint8Array): Buffer {
    return open(this.#keys.keyOf(storedPurpose(id)), Buffer.from(sealed), placeOf(id));
  }
}
