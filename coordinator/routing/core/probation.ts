import type { GateName } from '#bus-schemas';
import { type Choice, failedGate, type PlacementRequest } from './placement.ts';
import type { Serving } from './serving.ts';

/**
 * Limits the placements at machines on probation: a person has linked them, and they have not
 * passed a canary yet.
 *
 * Prevents a machine that copied the digest of a model from answering most of its requests with
 * another model: of this many placements of a build in a row, at most one goes to such a machine.
 */
export const PLACEMENTS_PER_TURN = 20;

export class ProbationTurns {
  /**
   * For each build, the number of placements at other machines since the last one at a machine on
   * probation.
   */
  readonly #since = new Map<string, number>();

  isOpen(build: string): boolean {
    return (this.#since.get(build) ?? 0) >= PLACEMENTS_PER_TURN - 1;
  }

  placed(build: string, isOnProbation: boolean): void {
    this.#since.set(
      build,
      isOnProbation ? 0 : Math.min(PLACEMENTS_PER_TURN, (this.#since.get(build) ?? 0) + 1),
    );
  }

  sweep(isServed: (build: string) => boolean): void {
    for (const build of this.#since.keys()) if (!isServed(build)) this.#since.delete(build);
  }
}

/** Gates that the end of a job or a short time opens. */
const opensSoon: ReadonlySet<GateName> = new Set(['busy', 'tokens', 'cooling', 'crowded']);

/**
 * Whether a machine that is not on probation could serve the request, now or after a wait. If so,
 * machines on probation are limited.
 */
export const areNewcomersLimited = (
  servings: readonly Serving[],
  ask: PlacementRequest,
  now: number,
): boolean =>
  servings.some((serving) => {
    const gate = serving.isOnProbation ? 'probation' : failedGate(serving, ask, now);
    return gate === undefined || opensSoon.has(gate);
  });

/**
 * Whether no other machine could serve the request, now or after a wait. The limit would then only
 * refuse the request.
 */
export const isLeftToNewcomers = ({
  candidates,
  rejected: { probation, busy, tokens, cooling },
}: Choice): boolean =>
  candidates.length === 0 && probation !== undefined && (busy ?? tokens ?? cooling) === undefined;
