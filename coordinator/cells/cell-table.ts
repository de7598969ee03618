import { type CellDigest, FIRST_CELL } from '#bus-schemas';

/** A cell whose router says nothing for so long is gone: ten times as long as a standby needs. */
const GONE_MS = 10_000;
/** Said so lately, a digest is worth choosing by. */
const FRESH_MS = 1_500;
/**
 * After a change, machines belong to their old cell as well, until every one of them has spoken to
 * its new one.
 */
const HAND_OVER_MS = 6_000;
/** What is heard in the first moment after the start was so before. */
const SETTLING_MS = 1_000;
/** A conversation stays where it began, unless the other cell has so many times the places. */
const MUCH_BETTER = 2;

/**
 * Which cells there are, and which of them a machine belongs to: the one that its id and the cell's
 * number weigh most in, so a cell
 * that comes or goes moves no machine between two others. Whoever listens to the same digests comes
 * to the same answer.
 *
 *   unheard → member ⇄ draining → gone
 */
export class CellTable {
  readonly #startedAt: number;
  readonly #heard = new Map<number, { readonly digest: CellDigest; readonly at: number }>();
  #members: readonly number[] = [];
  #before: readonly number[] = [];
  #changedAt = Number.NEGATIVE_INFINITY;

  constructor(startedAt: number) {
    this.#startedAt = startedAt;
  }

  hear(digest: CellDigest, now: number): void {
    this.#heard.set(digest.cell, { digest, at: now });
    this.sweep(now);
  }

  /** Notices who is not heard any more. */
  sweep(now: number): void {
    for (const [cell, { at }] of this.#heard) if (now - at >= GONE_MS) this.#heard.delete(cell);
    const members = this.digests().flatMap(({ cell, draining }) => (draining ? [] : [cell]));
    if (members.join() === this.#members.join()) return;
    this.#before = now - this.#startedAt < SETTLING_MS ? members : this.#members;
    this.#members = members;
    this.#changedAt = now;
  }

  /** Of all that are there, in the order of their numbers. */
  digests(): CellDigest[] {
    return [...this.#heard.values()]
      .map(({ digest }) => digest)
      .toSorted((one, other) => one.cell - other.cell);
  }

  digestOf(cell: number): CellDigest | undefined {
    return this.#heard.get(cell)?.digest;
  }

  /** When no machine belongs to two cells any more. */
  get settledAt(): number {
    return this.#changedAt + HAND_OVER_MS;
  }

  /** Where there is nobody else, a machine is anybody's. */
  isOf(cell: number, provider: string, now: number): boolean {
    if (this.#members.length === 0 || first(provider, this.#members) === cell) return true;
    return now < this.settledAt && first(provider, this.#before) === cell;
  }

  /** The cell that a machine belongs to, and shortly after a change the one that it belonged to. */
  ownersOf(provider: string, now: number): number[] {
    const owners = new Set([first(provider, this.#members)]);
    if (now < this.settledAt) owners.add(first(provider, this.#before));
    return [...owners].filter((cell) => cell !== undefined);
  }

  /** The cells to ask for a place, two at most, the better first. */
  choiceFor(key: string, builds: readonly string[], now: number): number[] {
    const fresh = this.#members.filter((cell) => now - (this.#heard.get(cell)?.at ?? 0) < FRESH_MS);
    const known = [fresh, this.#members, [...this.#heard.keys()]].find(
      ({ length }) => length > 0,
    ) ?? [FIRST_CELL];
    const [home, other] = ranked(key, known) as [number, number?];
    if (other === undefined) return [home];
    return this.#free(other, builds) > MUCH_BETTER * this.#free(home, builds)
      ? [other, home]
      : [home, other];
  }

  #free(cell: number, builds: readonly string[]): number {
    const offered = this.#heard.get(cell)?.digest.builds ?? [];
    return offered.reduce(
      (sum, { build, freeSlots }) => sum + (builds.includes(build) ? freeSlots : 0),
      0,
    );
  }
}

/** The first of `ranked`; asked for with every beat, so it makes nothing. */
function first(key: string, cells: readonly number[]): number | undefined {
  if (cells.length < 2) return cells[0];
  const hash = hashOf(key);
  let best = 0;
  for (let place = 1; place < cells.length; place += 1)
    if (weight(hash, cells[place] as number) > weight(hash, cells[best] as number)) best = place;
  return cells[best];
}

/** Highest random weight: each cell draws a number for the key, and the highest comes first. */
function ranked(key: string, cells: readonly number[]): number[] {
  const hash = hashOf(key);
  return cells.toSorted((one, other) => weight(hash, other) - weight(hash, one));
}

/** FNV-1a. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let place = 0; place < key.length; place += 1)
    hash = Math.imul(hash ^ key.charCodeAt(place), 0x01000193);
  return hash;
}

/** The last steps of MurmurHash3, which leave no bit where it was. */
function weight(hash: number, cell: number): number {
  let mixed = hash ^ Math.imul(cell + 1, 0x9e3779b1);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
