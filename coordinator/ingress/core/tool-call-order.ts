import type { Delta } from '#bus-schemas';

/**
 * Checks that a provider sends one tool call after the other, each with its id and name at its
 * start: clients put the pieces of a call together by that order.
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
