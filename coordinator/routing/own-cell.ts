import { CellDigest, core } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import type { Cells } from '#coordinator/cells/cells.ts';
import type { Router } from './core/router.ts';
import { freeSlotsByBuild } from './views.ts';

const DIGEST_INTERVAL_MS = 500;

export interface OwnCellOptions {
  readonly bus: Bus;
  readonly cells: Cells;
  readonly cell: number;
  readonly router: Router;
  /** Only one router of a cell publishes for it. */
  readonly isLeading: () => boolean;
}

/**
 * The part of the fleet that this router decides for: which machines belong to it, and what its
 * cell publishes about itself.
 */
export class OwnCell implements Disposable {
  readonly #options: OwnCellOptions;
  readonly #timer: NodeJS.Timeout;
  #isDraining = false;
  #sweptAt = Number.NEGATIVE_INFINITY;

  constructor(options: OwnCellOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.publishDigest(), DIGEST_INTERVAL_MS);
  }

  has(provider: string): boolean {
    return this.#options.cells.owns(this.#options.cell, provider);
  }

  /** During a hand-over a machine is in two cells; one of them, its new one, is the first. */
  isFirst(provider: string): boolean {
    const [first = this.#options.cell] = this.#options.cells.ownersOf(provider);
    return first === this.#options.cell;
  }

  drain(isDraining: boolean): void {
    this.#isDraining = isDraining;
    this.publishDigest();
  }

  publishDigest(): void {
    const { bus, cells, cell, router, isLeading } = this.#options;
    if (!isLeading()) {
      // A router that takes over keeps the draining state of the one before.
      this.#isDraining = cells.digestOf(cell)?.draining ?? this.#isDraining;
      return;
    }
    const digest = {
      cell,
      draining: this.#isDraining,
      providers: router.fleet.size,
      queued: router.queued,
      builds: freeSlotsByBuild(router),
    };
    bus.publish(core.cell(cell), CellDigest, digest);
  }

  /**
   * Removes machines that now belong to another cell. They are still available, so no event reports
   * them as lost. If a draining cell has no machine left, its waiting requests are sent to other
   * cells.
   */
  sweep(now: number): void {
    const { cells, router } = this.#options;
    const { fleet } = router;
    if (this.#sweptAt < cells.settledAt)
      for (const { id } of fleet.all()) if (!this.has(id)) fleet.remove(id);
    this.#sweptAt = now;
    if (this.#isDraining && fleet.size === 0) router.standDown();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
