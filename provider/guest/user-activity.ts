import type { GuestNote } from '../reasons.ts';
import type { Closed, DoorInput } from './door.ts';
import { printedBy } from './printed-by.ts';

/** Returns the time since the last input at this computer in milliseconds; undefined if unknown. */
export type IdleReader = () => Promise<number | undefined>;

/** Closes the machine while a person uses the computer. */
export class UserInput implements DoorInput {
  readonly #awayMs: number;
  readonly #idleMs: () => number | undefined;

  /** `awayMs` is the time without input after which the person counts as away. */
  constructor(awayMs: number, idleMs: () => number | undefined) {
    this.#awayMs = awayMs;
    this.#idleMs = idleMs;
  }

  get notes(): GuestNote[] {
    return this.#idleMs() === undefined ? ['user_unknown'] : [];
  }

  closedAt(): Closed | undefined {
    return (this.#idleMs() ?? Number.POSITIVE_INFINITY) < this.#awayMs
      ? { reason: 'user_active' }
      : undefined;
  }
}

/** The reader for this system. */
export const idleReader = (): IdleReader =>
  process.platform === 'darwin'
    ? async () => macIdleMs(await printedBy('ioreg', ['-c', 'IOHIDSystem', '-d', '4']))
    : async () =>
        seatIdleMs(
          await printedBy('loginctl', [
            'show-seat',
            'seat0',
            '--property=IdleHint',
            '--property=IdleSinceHint',
          ]),
          Date.now(),
        );

/**
 * Reads systemd's report on the screen and keyboard of this computer. A session over SSH has no seat:
 * its user is not disturbed.
 */
export function seatIdleMs(printed: string | undefined, now: number): number | undefined {
  const hint = /^IdleHint=(yes|no)$/m.exec(printed ?? '')?.[1];
  if (hint === undefined) return undefined;
  if (hint === 'no') return 0;
  const sinceUs = Number(/^IdleSinceHint=(\d+)$/m.exec(printed ?? '')?.[1] ?? 0);
  return Math.max(0, now - sinceUs / 1_000);
}

/** Reads the nanoseconds since the last input, which macOS keeps for its input devices. */
export function macIdleMs(printed: string | undefined): number | undefined {
  const nanoseconds = /"HIDIdleTime" = (\d+)/.exec(printed ?? '')?.[1];
  return nanoseconds === undefined ? undefined : Number(nanoseconds) / 1e6;
}
