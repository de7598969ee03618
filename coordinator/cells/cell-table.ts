import { type CellDigest, FIRST_CELL } from '#bus-schemas';

/**
 * Maximum silence before a cell counts as gone, in milliseconds. It is ten times as long as a
 * standby router needs to take over, so a change of the leading router does not end the cell.
 */
const GONE_MS = 10_000;
/**
 * Maximum age of a digest for its cell to be preferred for requests, in milliseconds. A leading
 * router publishes one every 500 ms.
 */
const FRESH_MS = 1_500;
/**
 * Time after a change in which a machine belongs to its old cell and its new one, in milliseconds.
 * It is longer than the 5 s between two beats, so every machine reports to its new cell in it.
 */
const HAND_OVER_MS = 6_000;
/**
 * Time after the start in which a new digest is not a change, in milliseconds: the cell existed
 * before, and this table only learns of it now. No machine is handed over for it.
 */
const SETTLING_MS = 1_000;
/** Time for which a cell that is gone is shown to operators, in milliseconds. */
const GONE_SHOWN_MS = 24 * 3_600_000;
/**
 * A conversation stays in its first cell, which has its prompt in the caches of its machines. It
 * leaves only if the other cell has more than this many times as many free slots.
 */
const MUCH_BETTER = 2;

type CellState = 'serves' | 'draining' | 'gone';

/** A cell for operators: its state, and for how long it has had it, as far as this table knows. */
export interface CellHistory {
  readonly cell: number;
  readonly state: CellState;
  readonly forMs: number;
  /** Its last digest. */
  readonly digest: CellDigest;
}

interface KnownCell {
  readonly state: CellState;
  /** Time at which the state began. */
  readonly since: number;
  readonly digest: CellDigest;
}

/**
 * The cells that exist, and the cell that each machine belongs to: the one with the highest weight,
 * a hash of the machine's id and the cell's number (rendezvous hashing). A cell that appears or
 * disappears therefore moves no machine between two other cells. All processes that receive the
 * same digests compute the same result, so there is no list of cells that could be out of date.
 *
 *   no digest yet → member ⇄ draining → gone (no digest for GONE_MS)
 */
export class CellTable {
  readonly #startedAt: number;
  readonly #latest = new Map<number, { readonly digest: CellDigest; readonly at: number }>();
  /** At most one entry for each number of a cell, also for those that are gone. */
  readonly #known = new Map<number, KnownCell>();
  #members: readonly number[] = [];
  #previousMembers: readonly number[] = [];
  #changedAt = Number.NEGATIVE_INFINITY;

  constructor(startedAt: number) {
    this.#startedAt = startedAt;
  }

  receive(digest: CellDigest, now: number): void {
    this.#latest.set(digest.cell, { digest, at: now });
    this.#note(digest, digest.draining ? 'draining' : 'serves', now);
    this.sweep(now);
  }

  /** The state of each cell, and since when; also of those that are gone since a day at most. */
  history(now: number): CellHistory[] {
    return [...this.#known]
      .map(([cell, { state, since, digest }]) => ({ cell, state, forMs: now - since, digest }))
      .toSorted((one, other) => one.cell - other.cell);
  }

  #note(digest: CellDigest, state: CellState, now: number): void {
    const known = this.#known.get(digest.cell);
    const since = known?.state === state ? known.since : now;
    this.#known.set(digest.cell, { state, since, digest });
  }

  /** Removes cells without a recent digest. Starts a hand-over if the set of members changed. */
  sweep(now: number): void {
    for (const [cell, { at, digest }] of this.#latest) {
      if (now - at < GONE_MS) continue;
      this.#latest.delete(cell);
      this.#note(digest, 'gone', now);
    }
    for (const [cell, { state, since }] of this.#known)
      if (state === 'gone' && now - since >= GONE_SHOWN_MS) this.#known.delete(cell);
    const members = this.digests().flatMap(({ cell, draining }) => (draining ? [] : [cell]));
    if (members.join() === this.#members.join()) return;
    this.#previousMembers = now - this.#startedAt < SETTLING_MS ? members : this.#members;
    this.#members = members;
    this.#changedAt = now;
  }

  /** The latest digest of every cell, draining ones included, in the order of the cell numbers. */
  digests(): CellDigest[] {
    return [...this.#latest.values()]
      .map(({ digest }) => digest)
      .toSorted((one, other) => one.cell - other.cell);
  }

  digestOf(cell: number): CellDigest | undefined {
    return this.#latest.get(cell)?.digest;
  }

  /** Time at which the last hand-over ends. From then on each machine belongs to one cell. */
  get settledAt(): number {
    return this.#changedAt + HAND_OVER_MS;
  }

  /**
   * True if the cell may use the machine. Without any member (all cells drain, or none is known)
   * every cell may use every machine, so that requests are still served.
   */
  owns(cell: number, provider: string, now: number): boolean {
    if (this.#members.length === 0 || heaviestCell(provider, this.#members) === cell) return true;
    return now < this.settledAt && heaviestCell(provider, this.#previousMembers) === cell;
  }

  /** The cell that a machine belongs to, then, during a hand-over, the cell it belonged to. */
  ownersOf(provider: string, now: number): number[] {
    const owners = new Set([heaviestCell(provider, this.#members)]);
    if (now < this.settledAt) owners.add(heaviestCell(provider, this.#previousMembers));
    return [...owners].filter((cell) => cell !== undefined);
  }

  /**
   * The cells to ask for a slot, at most two, the better one first. The key stands for a
   * conversation, so a conversation gets the same two cells again.
   */
  choiceFor(key: string, builds: readonly string[], now: number): number[] {
    const fresh = this.#members.filter(
      (cell) => now - (this.#latest.get(cell)?.at ?? 0) < FRESH_MS,
    );
    const known = [fresh, this.#members, [...this.#latest.keys()]].find(
      ({ length }) => length > 0,
    ) ?? [FIRST_CELL];
    const [home, other] = ranked(key, known) as [number, number?];
    if (other === undefined) return [home];
    return this.#free(other, builds) > MUCH_BETTER * this.#free(home, builds)
      ? [other, home]
      : [home, other];
  }

  #free(cell: number, builds: readonly string[]): number {
    const offered = this.#latest.get(cell)?.digest.builds ?? [];
    return offered.reduce(
      (sum, { build, freeSlots }) => sum + (builds.includes(build) ? freeSlots : 0),
      0,
    );
  }
}

/** The same as `ranked(…)[0]`, without an allocation: it runs for each beat of each machine. */
function heaviestCell(key: string, cells: readonly number[]): number | undefined {
  if (cells.length < 2) return cells[0];
  const hash = hashOf(key);
  let best = 0;
  for (let place = 1; place < cells.length; place += 1)
    if (weight(hash, cells[place] as number) > weight(hash, cells[best] as number)) best = place;
  return cells[best];
}

/** The cells in descending order of their weight for the key (highest random weight). */
function ranked(key: string, cells: readonly number[]): number[] {
  const hash = hashOf(key);
  return cells.toSorted((one, other) => weight(hash, other) - weight(hash, one));
}

/** 32-bit FNV-1a hash of the UTF-16 code units. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let place = 0; place < key.length; place += 1)
    hash = Math.imul(hash ^ key.charCodeAt(place), 0x01000193);
  return hash;
}

/**
 * Mixes the hash of the key and the number of the cell with the finaliser of MurmurHash3. Without
 * this step the ids would not be spread evenly over the cells.
 */
function weight(hash: number, cell: number): number {
  let mixed = hash ^ Math.imul(cell + 1, 0x9e3779b1);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
