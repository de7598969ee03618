import { type Announcement, hex, isSame, type Verdict } from '#bus-schemas';
import { NOT_VERIFIED, type VerifiedProperties } from './fleet.ts';

/**
 * Decides by the verdicts of trust which machines may be in the fleet.
 *
 * Invariant: a machine is offered work only while its verdict is `verified` and fresh, and only
 * with the sealing key that trust has verified. A machine without a verdict is not admitted.
 * Otherwise an unverified machine, or another sealing key, would receive prompts.
 */
export class TrustedMachines {
  readonly #known = new Map<
    string,
    { readonly verdict: Verdict; readonly verified: VerifiedProperties }
  >();

  /**
   * Stores a verdict. Returns false if the stored one has a higher revision: the older one arrived
   * late and changes nothing.
   */
  record(verdict: Verdict): boolean {
    const known = this.#known.get(verdict.provider);
    if (known !== undefined && known.verdict.revision > verdict.revision) return false;
    const weights =
      verdict.weights && new Map(verdict.weights.map(({ build, digest }) => [build, hex(digest)]));
    this.#known.set(verdict.provider, {
      verdict,
      verified: {
        level: verdict.level,
        weights,
        isOnProbation: verdict.probation === true,
        isPaused: verdict.pauses !== undefined,
      },
    });
    return true;
  }

  admits(provider: string, { sealing }: Pick<Announcement, 'sealing'>, now: number): boolean {
    const verdict = this.#known.get(provider)?.verdict;
    return (
      isGood(verdict, now) &&
      verdict.sealingKey !== undefined &&
      isSame(verdict.sealingKey, sealing.publicKey)
    );
  }

  isGood(provider: string, now: number): boolean {
    return isGood(this.#known.get(provider)?.verdict, now);
  }

  verifiedOf(provider: string): VerifiedProperties {
    return this.#known.get(provider)?.verified ?? NOT_VERIFIED;
  }
}

const isGood = (verdict: Verdict | undefined, now: number): verdict is Verdict =>
  verdict !== undefined && verdict.standing === 'verified' && now < verdict.freshUntil;
