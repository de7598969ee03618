import {
  ED25519_SIGNATURE_BYTES,
  fromHex,
  HASH_BYTES,
  Hex,
  hex,
  isConsistent,
  isHeadSigned,
  isSame,
  isSuccessionSigned,
  type LogKeySuccession,
  leafHash,
  rootOfInclusion,
  successionEntry,
  type TreeHead,
} from '#bus-schemas/customer.ts';
import { checkerOf } from '#bus-schemas/platform.ts';
import { type Static, Type } from '#bus-schemas/type.ts';
import { SealedError } from './sealed-error.ts';

/**
 * The transparency log as one client has seen it grow. Each head must extend the head before it,
 * and must be signed with the key of the head before it, or with one that this key has named as its
 * successor in the log. The first key is the one that the user gave, or else that of the first head.
 *
 * The attack: a coordinator that shows this client another log than everyone else (a fork), for
 * example to hide a revoked machine or to add a release that only this client sees. The client
 * keeps its last head across restarts, so the coordinator would have to maintain the fork forever.
 */

const hash = Hex(HASH_BYTES);
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const PrintedHead = Type.Object({
  size: count,
  root: hash,
  at: count,
  key: hash,
  signature: Hex(ED25519_SIGNATURE_BYTES),
});
export type PrintedHead = Static<typeof PrintedHead>;
const headShape = checkerOf(PrintedHead);
const inclusionShape = checkerOf(
  Type.Object({ index: count, proof: Type.Array(hash, { maxItems: 128 }) }),
);
const keysShape = checkerOf(
  Type.Object({
    data: Type.Array(
      Type.Object({ previous: hash, key: hash, signature: Hex(ED25519_SIGNATURE_BYTES) }),
      { maxItems: 1_000 },
    ),
  }),
);
const consistencyShape = checkerOf(Type.Object({ proof: Type.Array(hash, { maxItems: 128 }) }));

export interface LogViewOptions {
  readonly get: (path: string) => Promise<unknown>;
  /**
   * The key of the log, in hexadecimal. Without it, the key of the first head is trusted from then
   * on.
   */
  readonly key?: string | undefined;
  /** The last head that an earlier run of this client accepted. */
  readonly savedHead?: PrintedHead | undefined;
  readonly onHead?: (head: PrintedHead) => void;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * Oldest head that is accepted, in milliseconds. The coordinator signs a head when it is asked for
 * one, so an honest head is older only if clocks differ. An older head could hide later entries,
 * such as a revoked machine.
 */
const OLDEST_HEAD_MS = 10 * 60_000;

export class LogView {
  readonly #options: LogViewOptions;
  #key: string | undefined;
  #head: TreeHead | undefined;
  #refreshing: Promise<void> = Promise.resolve();

  constructor(options: LogViewOptions) {
    this.#options = options;
    this.#key = options.key ?? options.savedHead?.key;
    this.#head = options.savedHead && readHead(options.savedHead);
  }

  /**
   * Fetches the newest head, and throws if it does not extend the last one. Calls run one after the
   * other, because each head is compared with the one before.
   */
  refresh(): Promise<TreeHead> {
    const next = this.#refreshing.then(() => this.#fetchHead());
    this.#refreshing = next.then(
      () => undefined,
      () => undefined,
    );
    return next;
  }

  async #fetchHead(): Promise<TreeHead> {
    const printed = await this.#options.get('/v1/transparency/head');
    if (!headShape.Check(printed))
      throw new SealedError('unreadable_answer', 'The head of the log has an unknown format.');
    const head = readHead(printed);
    this.#key ??= printed.key;
    const successions =
      printed.key === this.#key ? [] : await this.#successions(this.#key, printed.key);
    if (!isHeadSigned(head))
      throw new SealedError('log_forked', 'The head of the log is not signed with its key.');
    if (this.#options.now() - head.at > OLDEST_HEAD_MS)
      throw new SealedError(
        'log_stale',
        `The newest head of the log is older than ${OLDEST_HEAD_MS / 60_000} minutes. The coordinator may hide later entries.`,
      );
    const before = this.#head;
    // A smaller head comes from a replica that lags behind: it must be a prefix of the head that
    // this client has.
    if (before !== undefined)
      await this.#prove(before.size <= head.size ? [before, head] : [head, before]);
    for (const succession of successions)
      if (!(await this.#isIn(head, successionEntry(succession)))) throw keyChanged(printed.key);
    this.#key = printed.key;
    if (before === undefined || head.size >= before.size) {
      this.#head = head;
      this.#options.onHead?.(printed);
    }
    return this.#head as TreeHead;
  }

  /**
   * The statements by which the known key, and each key after it, named the next one, up to the key
   * that signs now.
   */
  async #successions(known: string, current: string): Promise<LogKeySuccession[]> {
    const answer = await this.#options
      .get('/v1/transparency/keys')
      .catch((error: unknown) => undefinedIfNotFound(error));
    if (!keysShape.Check(answer)) throw keyChanged(current);
    const chain: LogKeySuccession[] = [];
    for (let key = known; key !== current; ) {
      const next = answer.data.find(({ previous }) => previous === key);
      // A circle of keys ends here: no chain is longer than the list.
      if (next === undefined || chain.length >= answer.data.length) throw keyChanged(current);
      const succession = {
        previous: fromHex(next.previous),
        key: fromHex(next.key),
        signature: fromHex(next.signature),
      };
      if (!isSuccessionSigned(succession)) throw keyChanged(current);
      chain.push(succession);
      key = next.key;
    }
    return chain;
  }

  /** Whether the entry is in the log. */
  async has(entry: Uint8Array): Promise<boolean> {
    if (this.#head !== undefined && (await this.#isIn(this.#head, entry))) return true;
    // The entry may be newer than the last head.
    return this.#isIn(await this.refresh(), entry);
  }

  async #isIn({ size, root }: TreeHead, entry: Uint8Array): Promise<boolean> {
    const leaf = leafHash(entry);
    const found = await this.#options
      .get(`/v1/transparency/inclusion?leaf=${hex(leaf)}&size=${size}`)
      .catch(undefinedIfNotFound);
    if (!inclusionShape.Check(found)) return false;
    const proven = rootOfInclusion(leaf, { index: found.index, size }, found.proof.map(fromHex));
    return proven !== undefined && isSame(proven, root);
  }

  async #prove([earlier, later]: readonly [TreeHead, TreeHead]): Promise<void> {
    const isSame = earlier.size === later.size;
    const answer = isSame
      ? { proof: [] }
      : await this.#options.get(
          `/v1/transparency/consistency?earlier=${earlier.size}&later=${later.size}`,
        );
    if (consistencyShape.Check(answer) && isConsistent(earlier, later, answer.proof.map(fromHex)))
      return;
    throw new SealedError(
      'log_forked',
      `The first ${earlier.size} entries of the log differ from the ones that it had before.`,
    );
  }
}

const keyChanged = (key: string) =>
  new SealedError(
    'log_key_changed',
    `The log is signed with the key ${key}, and the key that this client expects has not named it as its successor. Ask the operator of the network whether they changed the key.`,
  );

/** A 404 means that the entry is not in the log. Any other error proves nothing, and is thrown. */
function undefinedIfNotFound(error: unknown): undefined {
  if (error instanceof SealedError && error.status === 404) return undefined;
  throw error;
}

const readHead = ({ size, root, at, key, signature }: PrintedHead): TreeHead => ({
  size,
  at,
  root: fromHex(root),
  key: fromHex(key),
  signature: fromHex(signature),
});
