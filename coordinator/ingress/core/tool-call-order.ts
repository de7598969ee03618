import type { Delta } from '#bus-schemas';

/**
 * Holds a provider to one tool call after the other, each named at its start: what every client of
 * ours relies on.
 */
export class ToolCallOrder {
  #current = -1;

  admits(delta: Delta): boolean {
    if (delta.k !== 'tool') return true;
    if (delta.index === this.#current) return delta.id === undefined && delta.name === undefined;
    if (delta.index !== this.#current + 1 || delta.id === undefined || delta.name === undefined)
      return false;
    this.#current = delta.index;
    return true;
  }
}
