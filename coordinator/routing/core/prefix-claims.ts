import { LruMap, MAX_HELD_PREFIXES, type Prefix, prefixTagOf, type Usage } from '#bus-schemas';

/** A machine that states that it need not compute the beginning of a prompt. */
export interface PrefixClaim {
  readonly provider: string;
  readonly tag: string;
  /** Length of the beginning. */
  readonly length: number;
  /** The part of it that is counted on, which is less for a machine whose claims were wrong before. */
  readonly tokens: number;
}

interface Holder {
  readonly provider: string;
  at: number;
}

interface ClaimedTags {
  /** The tags that were claimed last, in a ring. */
  readonly ring: string[];
  next: number;
}

interface Strikes {
  /** By account. */
  readonly counts: LruMap<string, number>;
  /** Time of the last one. */
  at: number;
}

/** A machine repeats each claim within two minutes while it is true. */
const CLAIM_LIFETIME_MS = 10 * 60_000;
const MAX_TAGS = 100_000;
/** Machines that are stored for one tag. */
const MAX_HOLDERS = 4;
/** A machine with this many wrong claims is not believed. */
const MAX_STRIKES = 3;
/** Time after which a machine is forgiven one wrong claim, in milliseconds. */
const FORGIVEN_MS = 30 * 60_000;
const MAX_STRUCK = 10_000;
/** Part of a claimed beginning that a machine must have used; the length is an estimate from bytes. */
const LEAST_USED = 0.5;

/**
 * The beginnings of prompts that machines state to have in memory or on their disks. It complements what a
 * router has observed itself: a router that has just started has observed nothing, and machines keep
 * prompts on disk for longer than the router remembers them.
 *
 * A machine may lie. It can only claim prompts that it has received, because no other machine is told
 * their tags. A claim that brought a request and then was not used is a strike: each one halves what the
 * machine's claims count for this account, and with MAX_STRIKES they count nothing. For other accounts,
 * all strikes of one account are one: the same messages with other settings are another prompt, with
 * which a customer could make honest machines look like liars.
 */
export class PrefixClaims {
  readonly #holders = new LruMap<string, Holder[]>(MAX_TAGS);
  readonly #tagsOf = new Map<string, ClaimedTags>();
  readonly #strikes = new LruMap<string, Strikes>(MAX_STRUCK);

  /** Number of stored tags. */
  get size(): number {
    return this.#holders.size;
  }

  claimed(provider: string, tags: readonly string[], now: number): void {
    if (this.#weightOf(provider, now) === 0) return;
    for (const tag of tags) {
      const holders = this.#holders.get(tag) ?? [];
      const known = holders.find((holder) => holder.provider === provider);
      if (known !== undefined) {
        known.at = now;
        continue;
      }
      if (!this.#mayJoin(holders, now)) continue;
      holders.push({ provider, at: now });
      this.#holders.set(tag, holders);
      this.#count(provider, tag);
    }
  }

  /** The machines that claim the longest of these prefixes. `prefixes` lists the longest first. */
  find(prefixes: readonly Prefix[], account: string, now: number): readonly PrefixClaim[] {
    for (const { key, tokens: length } of prefixes) {
      const tag = prefixTagOf(key);
      const claims: PrefixClaim[] = [];
      for (const { provider, at } of this.#holders.get(tag) ?? []) {
        const tokens = Math.floor(length * this.#weightOf(provider, now, account));
        if (now - at < CLAIM_LIFETIME_MS && tokens > 0)
          claims.push({ provider, tag, length, tokens });
      }
      if (claims.length > 0) return claims;
    }
    return [];
  }

  /** A machine got a request for this claim, and has reported how much of the prompt it did not compute. */
  proved(
    { provider, tag, length }: PrefixClaim,
    { account, usage }: { readonly account: string; readonly usage: Usage },
    now: number,
  ): void {
    const isTrue = usage.cachedTokens >= LEAST_USED * Math.min(length, usage.promptTokens);
    const strikes = this.#strikes.get(provider) ?? { counts: new LruMap(MAX_STRIKES), at: now };
    const count = strikes.counts.get(account) ?? 0;
    if (isTrue) return strikes.counts.set(account, Math.max(0, count - 1));
    this.#drop(provider, tag);
    strikes.counts.set(account, Math.min(MAX_STRIKES, count + 1));
    strikes.at = now;
    this.#strikes.set(provider, strikes);
  }

  /** Drops the claims of machines that have left. */
  sweep(isKnown: (provider: string) => boolean): void {
    for (const [provider, { ring }] of this.#tagsOf) {
      if (isKnown(provider)) continue;
      for (const tag of ring) this.#drop(provider, tag);
      this.#tagsOf.delete(provider);
    }
  }

  /** Makes room among the holders of a tag. The first ones stay: a liar must not displace them. */
  #mayJoin(holders: Holder[], now: number): boolean {
    if (holders.length < MAX_HOLDERS) return true;
    const old = holders.findIndex(
      ({ provider, at }) => now - at >= CLAIM_LIFETIME_MS || this.#weightOf(provider, now) === 0,
    );
    if (old < 0) return false;
    holders.splice(old, 1);
    return true;
  }

  /** The oldest claim of a machine is dropped when it makes too many. */
  #count(provider: string, tag: string): void {
    const tags = this.#tagsOf.get(provider) ?? { ring: [], next: 0 };
    this.#tagsOf.set(provider, tags);
    const oldest = tags.ring[tags.next];
    if (oldest !== undefined) this.#drop(provider, oldest);
    tags.ring[tags.next] = tag;
    tags.next = (tags.next + 1) % MAX_HELD_PREFIXES;
  }

  #drop(provider: string, tag: string): void {
    const left = this.#holders.get(tag)?.filter((holder) => holder.provider !== provider) ?? [];
    if (left.length > 0) this.#holders.set(tag, left);
    else this.#holders.delete(tag);
  }

  /** Strikes that count for the account, or for any if none is named. */
  #strikesOf(provider: string, now: number, account?: string): number {
    const strikes = this.#strikes.get(provider);
    if (strikes === undefined) return 0;
    const forgiven = Math.floor((now - strikes.at) / FORGIVEN_MS);
    let accounts = 0;
    let own = 0;
    for (const [name, count] of strikes.counts) {
      if (count > forgiven) accounts += 1;
      if (name === account) own = Math.max(0, count - forgiven);
    }
    return Math.max(accounts, own);
  }

  #weightOf(provider: string, now: number, account?: string): number {
    const strikes = this.#strikesOf(provider, now, account);
    return strikes >= MAX_STRIKES ? 0 : 2 ** -strikes;
  }
}
