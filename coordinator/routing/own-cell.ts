import { CellDigest, core } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import type { Cells } from '#coordinator/cells/cells.ts';
import type { Router } from './core/router.ts';
import { freeSlotsByBuild } from './views.ts';

const TELL_MS = 500;

export interface OwnCellOptions {
  readonly bus: Bus;
  readonly cells: Cells;
  readonly cell: number;
  readonly router: Router;
  /** Only one router of a cell speaks for it. */
  readonly isLeading: () => boolean;
}

/**
 * The part of the fleet that this router decides for: which machines are in it, and what everybody
 * else hears of it.
 */
export class OwnCell implements Disposable {
  readonly #options: OwnCellOptions;
  readonly #timer: NodeJS.Timeout;
  #isDraining = false;
  #sweptAt = Number.NEGATIVE_INFINITY;

  constructor(options: OwnCellOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.tell(), TELL_MS);
  }

  has(provider: string): boolean {
    return this.#options.cells.owns(this.#options.cell, provider);
  }

  drain(isDraining: boolean): void {
    this.#isDraining = isDraining;
    this.tell();
  }

  tell(): void {
    const { bus, cells, cell, router, isLeading } = this.#options;
    if (!isLeading()) {
      // Whoever takes over goes on as the one before it did.
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
   * Lets machines go that another cell has now. They are not lost, so nobody is told that they
   * were. Who waits here when none is left waits elsewhere.
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
