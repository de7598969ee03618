import type { Subscription } from '@nats-io/nats-core';
import { CellDigest, core } from '#bus-schemas';
import type { Bus } from '../bus.ts';
import { type CellHistory, CellTable } from './cell-table.ts';

/** The table of cells, kept up to date with the digests that arrive over the bus. */
export class Cells implements Disposable {
  readonly #clock: () => number;
  readonly #table: CellTable;
  readonly #subscription: Subscription;

  constructor(bus: Bus, clock: () => number) {
    this.#clock = clock;
    this.#table = new CellTable(clock());
    this.#subscription = bus.subscribe({
      subject: core.everyCell,
      kind: CellDigest,
      handle: (digest) => this.#table.receive(digest, clock()),
    });
  }

  digests(): CellDigest[] {
    this.#table.sweep(this.#clock());
    return this.#table.digests();
  }

  history(): CellHistory[] {
    this.#table.sweep(this.#clock());
    return this.#table.history(this.#clock());
  }

  digestOf(cell: number): CellDigest | undefined {
    return this.#table.digestOf(cell);
  }

  get settledAt(): number {
    return this.#table.settledAt;
  }

  owns(cell: number, provider: string): boolean {
    return this.#table.owns(cell, provider, this.#clock());
  }

  ownersOf(provider: string): number[] {
    return this.#table.ownersOf(provider, this.#clock());
  }

  choiceFor(key: string, builds: readonly string[]): number[] {
    return this.#table.choiceFor(key, builds, this.#clock());
  }

  [Symbol.dispose](): void {
    this.#subscription.unsubscribe();
  }
}
