import type { OfferedVersion } from './offer.ts';
import { isUnfinished, readUpdate, type UpdateRecord } from './update-journal.ts';
import type { UpdateChannel, UpdateMode } from './update-modes.ts';

export interface UpdateWatchOptions {
  readonly home: string;
  /** The owner may change it while the service runs. */
  readonly mode: () => Promise<UpdateMode>;
  /** The owner may change it while the service runs. */
  readonly channel: () => Promise<UpdateChannel>;
  /** The package of the network in a channel if it is newer than this program. */
  readonly newerOffer: (channel: UpdateChannel) => Promise<OfferedVersion | undefined>;
  /** Starts `dinf provider update` as a process that outlives this service. */
  readonly install: () => void;
  /** Whether the network no longer accepts this version. */
  readonly isWithdrawn: () => boolean;
  readonly onFault: (error: unknown) => void;
  readonly now?: () => number;
  readonly tickMs?: number;
}

const TICK_MS = 5_000;
const CHECK_MS = 6 * 3_600_000;
/** A machine that gets no requests because of its version looks more often. */
const WITHDRAWN_CHECK_MS = 600_000;
/** After this time without an end, the process that updated has ended. */
const INTERRUPTED_MS = 300_000;

/** Asks the network for newer versions, and shows or installs them as the owner allows. */
export class UpdateWatch implements Disposable {
  readonly #options: UpdateWatchOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #now: () => number;
  #checkedAt: number;
  #available: string | undefined;
  #mode: UpdateMode = 'off';
  #channel: UpdateChannel | undefined;
  #record: UpdateRecord | undefined;
  #looking: Promise<void> = Promise.resolve();

  constructor(options: UpdateWatchOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    // Machines that start together after a power failure ask at different times.
    this.#checkedAt = this.#now() - Math.random() * CHECK_MS;
    this.#timer = setInterval(() => this.tick(), options.tickMs ?? TICK_MS).unref();
    void this.tick();
  }

  /** What the owner should know about updates. */
  get note(): string | undefined {
    return updateNote(this.#record, this.#available, this.#now());
  }

  /** How newer versions come to this machine; undefined if it does not look for them. */
  get plan(): string | undefined {
    if (this.#mode === 'off' || this.#channel === undefined) return undefined;
    return this.#mode === 'auto'
      ? `installed by themselves, from the channel ${this.#channel}`
      : `shown here, from the channel ${this.#channel}`;
  }

  /** Looks whether something is due, after the looks that began before. */
  tick(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#look()).catch(this.#options.onFault);
    return this.#looking;
  }

  async #look(): Promise<void> {
    const { home, mode, channel, newerOffer, install, isWithdrawn } = this.#options;
    const now = this.#now();
    const wanted = await mode();
    const from = await channel();
    // Another channel may have a newer version at once.
    if (this.#channel !== undefined && from !== this.#channel) this.#checkedAt = now - CHECK_MS;
    [this.#mode, this.#channel] = [wanted, from];
    this.#record = await readUpdate(home);
    if (this.#record !== undefined && isUnfinished(this.#record)) {
      if (now - this.#record.at > INTERRUPTED_MS) install();
      return;
    }
    if (wanted === 'off') {
      this.#available = undefined;
      return;
    }
    if (now - this.#checkedAt < (isWithdrawn() ? WITHDRAWN_CHECK_MS : CHECK_MS)) return;
    this.#checkedAt = now;
    const offer = await newerOffer(from);
    this.#available = offer?.version;
    const wasTakenBack =
      this.#record?.status === 'taken_back' && this.#record.sha256 === offer?.sha256;
    if (offer !== undefined && wanted === 'auto' && !wasTakenBack) install();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** Time for which the owner is told that an update was taken back, in milliseconds. */
const TOLD_MS = 7 * 24 * 3_600_000;

function updateNote(
  record: UpdateRecord | undefined,
  available: string | undefined,
  now: number,
): string | undefined {
  if (record !== undefined && isUnfinished(record))
    return `Version ${record.version} is being installed. If this stays, "dinf provider update" continues it.`;
  if (record?.status === 'taken_back' && now - record.at < TOLD_MS)
    return `Version ${record.version} ${record.reason}, so the version before it runs. "dinf provider update" tries it again.`;
  return available === undefined
    ? undefined
    : `Version ${available} is available. "dinf provider update" installs it.`;
}
