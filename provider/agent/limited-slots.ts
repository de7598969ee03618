import type { Slot } from '#bus-schemas';

/**
 * The slots of a machine that accepts only a share of its usual number of requests at the same time,
 * but at least one. Running answers go on.
 */
export const limitedSlots = (slots: readonly Slot[], share: number): readonly Slot[] =>
  share >= 1
    ? slots
    : slots.map((slot) => ({
        ...slot,
        maxConcurrency: Math.min(
          slot.maxConcurrency,
          Math.max(1, Math.floor(slot.maxConcurrency * share)),
        ),
      }));
