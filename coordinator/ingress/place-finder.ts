import { inCell, type Reserve, type Reserved, services } from '#bus-schemas';
import { type Bus, BusError, type CallOptions } from '#coordinator/bus.ts';
import type { Cells } from '#coordinator/cells/cells.ts';
import { askUntil, type CallLimits } from './call-until.ts';

/**
 * Reserves a slot for a job: it asks the better of two cells, then the other one, and waits in the
 * shorter queue.
 */
export class PlaceFinder {
  readonly #bus: Pick<Bus, 'call'>;
  readonly #cells: Pick<Cells, 'choiceFor' | 'ownersOf' | 'digestOf'>;

  constructor(bus: Pick<Bus, 'call'>, cells: Pick<Cells, 'choiceFor' | 'ownersOf' | 'digestOf'>) {
    this.#bus = bus;
    this.#cells = cells;
  }

  /**
   * Reserves a slot. While no cell replies, it chooses again and repeats the call. Throws the last
   * BusError when the time is up.
   */
  reserve(request: Reserve, conversation: string, limits: CallLimits): Promise<Reserved> {
    const { trace } = limits;
    return askUntil((timeoutMs) => this.#ask(request, conversation, { timeoutMs, trace }), limits);
  }

  async #ask(request: Reserve, conversation: string, options: CallOptions): Promise<Reserved> {
    const cells = this.#cellsFor(request, conversation);
    const [only] = cells as [number];
    if (cells.length === 1) return this.#askCell(only, request, options);
    const refusals = new Map<number, Reserved>();
    let unanswered: unknown;
    for (const cell of cells) {
      try {
        const reply = await this.#askCell(cell, { ...request, patienceMs: 0 }, options);
        if (reply.ok) return reply;
        refusals.set(cell, reply);
      } catch (error) {
        if (!(error instanceof BusError)) throw error;
        unanswered = error;
      }
    }
    const full = [...refusals].flatMap(([cell, reply]) =>
      !reply.ok && reply.code === 'saturated' ? [cell] : [],
    );
    const [shortest] = full.toSorted((one, other) => this.#queued(one) - this.#queued(other));
    if (shortest !== undefined && request.patienceMs > 0)
      return this.#askCell(shortest, request, options);
    // A cell without a machine for the job proves nothing about the cell that did not reply.
    if (shortest === undefined && unanswered !== undefined) throw unanswered;
    return refusals.get(shortest ?? only) as Reserved;
  }

  /**
   * The cells of the wanted machines; or two cells chosen by the conversation, so that it continues
   * where its prefix is cached.
   */
  #cellsFor({ builds, only, prefers }: Reserve, conversation: string): number[] {
    const owners = only?.flatMap((provider) => this.#cells.ownersOf(provider)) ?? [];
    if (owners.length > 0) return [...new Set(owners)];
    const choice = this.#cells.choiceFor(conversation, builds);
    const [preferred] = prefers?.order ?? [];
    return preferred === undefined
      ? choice
      : [...new Set([...this.#cells.ownersOf(preferred), ...choice])];
  }

  #askCell(cell: number, request: Reserve, options: CallOptions): Promise<Reserved> {
    return this.#bus.call(inCell(services.routing.reserve, cell), request, options);
  }

  #queued(cell: number): number {
    return this.#cells.digestOf(cell)?.queued ?? 0;
  }
}
