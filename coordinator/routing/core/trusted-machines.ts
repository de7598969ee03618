import { type Announcement, hex, type Verdict } from '#bus-schemas';
import type { Shown } from './fleet.ts';

/**
 * Which machines may be in the fleet at all, by the verdicts of trust. Invariant: a machine is offered work only while its verdict is
 * `verified` and fresh, and only with the sealing key that it was verified with. Whoever is not known is not in.
 */
export class TrustedMachines {
  readonly #verdicts = new Map<string, Verdict>();
  readonly #weights = new Map<string, ReadonlyMap<string, string>>();

  /** False where it is older than what is known: an old word comes late, and changes nothing. */
  take(verdict: Verdict): boolean {
    const known = this.#verdicts.get(verdict.provider);
    if (known !== undefined && known.revision > verdict.revision) return false;
    this.#verdicts.set(verdict.provider, verdict);
    if (verdict.weights === undefined) this.#weights.delete(verdict.provider);
    else this.#weights.set(verdict.provider, new Map(verdict.weights.map(({ build, digest }) => [build, hex(digest)])));
    return true;
  }

  admits(provider: string, { sealing }: Pick<Announcement, 'sealing'>, now: number): boolean {
    const verdict = this.#verdicts.get(provider);
    return isGood(verdict, now) && verdict.sealingKey !== undefined && Buffer.compare(verdict.sealingKey, sealing.publicKey) === 0;
  }

  isGood(provider: string, now: number): boolean {
    return isGood(this.#verdicts.get(provider), now);
  }

  shownBy(provider: string): Shown {
    return { level: this.#verdicts.get(provider)?.level ?? 'none', weights: this.#weights.get(provider) };
  }
}

const isGood = (verdict: Verdict | undefined, now: number): verdict is Verdict =>
  verdict !== undefined && verdict.standing === 'verified' && now < verdict.freshUntil;
