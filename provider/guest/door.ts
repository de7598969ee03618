import type { ClosureReason, GuestNote } from '../reasons.ts';

/** Why the machine accepts no new requests, and when that ends, if it is known. */
export interface Closed {
  readonly reason: ClosureReason;
  readonly until?: number;
}

/** A setting of the owner, or a state of the computer, that can close the machine. */
export interface DoorInput {
  /** Undefined while it does not close the machine. `now` is in milliseconds since 1970. */
  closedAt(now: number): Closed | undefined;
  /** What the owner should see although it does not close the machine. */
  readonly notes?: readonly GuestNote[];
}

export interface DoorOptions {
  /** The reason of the first one that closes the machine is shown. */
  readonly inputs: readonly DoorInput[];
  /** `reason` is undefined for a pause by the owner. */
  readonly setDraining: (isDraining: boolean, reason: ClosureReason | undefined) => void;
  /** Keeps the computer awake while the machine is open; absent if its owner lets it sleep. */
  readonly awake?: Awake;
}

interface Awake {
  /** Called at every tick. */
  hold(isOpen: boolean): void;
  readonly notes: readonly GuestNote[];
}

/** Decides whether new requests are accepted: neither the owner's pause nor an input excludes them. */
export class Door {
  readonly #options: DoorOptions;
  #isPaused = false;
  #closed: Closed | undefined;
  /** The last order. */
  #ordered: { isDraining: boolean; reason: ClosureReason | undefined } = {
    isDraining: false,
    reason: undefined,
  };

  constructor(options: DoorOptions) {
    this.#options = options;
  }

  /** Undefined while no input closes the machine. A pause by the owner is not included. */
  get closed(): Closed | undefined {
    return this.#closed;
  }

  get notes(): GuestNote[] {
    const { inputs, awake } = this.#options;
    return [...inputs.flatMap(({ notes = [] }) => notes), ...(awake?.notes ?? [])];
  }

  setPaused(isPaused: boolean): void {
    this.#isPaused = isPaused;
    this.#apply();
  }

  /** Call it about once a second. */
  tick(now: number): void {
    this.#closed = undefined;
    for (const input of this.#options.inputs) this.#closed ??= input.closedAt(now);
    this.#apply();
  }

  #apply(): void {
    const isDraining = this.#isPaused || this.#closed !== undefined;
    const reason = this.#isPaused ? undefined : this.#closed?.reason;
    this.#options.awake?.hold(!isDraining);
    if (isDraining === this.#ordered.isDraining && reason === this.#ordered.reason) return;
    this.#ordered = { isDraining, reason };
    this.#options.setDraining(isDraining, reason);
  }
}
