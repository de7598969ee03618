import { setTimeout as delay } from 'node:timers/promises';
import { inCell, services } from '#bus-schemas';
import { type Bus, BusError } from '#coordinator/bus.ts';

const LOOK_EVERY_MS = 50;

export interface StandbyOptions {
  readonly bus: Bus;
  readonly cell: number;
  readonly isKnown: (provider: string) => boolean;
  /** True when the standby has become the leader. */
  readonly isLeading: () => boolean;
  /** Longest wait, in milliseconds: a live machine is known after its next beat. */
  readonly timeoutMs: number;
}

/**
 * Resolves when a standby knows every machine that the leader lists. A leader that stopped earlier
 * would leave a router that places no job until the next beat of each machine, up to five seconds.
 */
export async function untilFleetIsKnown({
  bus,
  cell,
  isKnown,
  isLeading,
  timeoutMs,
}: StandbyOptions): Promise<void> {
  const giveUpAt = performance.now() + timeoutMs;
  try {
    const { providers } = await bus.call(inCell(services.routing.fleet, cell), {}, { timeoutMs });
    const connected = providers.filter(({ state }) => state !== 'silent');
    while (!isLeading() && performance.now() < giveUpAt) {
      if (connected.every(({ provider }) => isKnown(provider))) return;
      await delay(LOOK_EVERY_MS);
    }
  } catch (error) {
    // No router leads, so requests wait for this one already.
    if (!(error instanceof BusError)) throw error;
  }
}
