import {
  type Announcement,
  Beat,
  Capacity,
  type Conditions,
  Hello,
  MAX_ANNOUNCED_PREFIXES,
  MAX_JOBS_NAMED,
  newSessionId,
  providerSubjects,
  type Slot,
  SUITE_ID,
} from '#bus-schemas';
import type { Engine } from '../engine/engine.ts';

export interface AnnouncerOptions {
  readonly engine: Engine;
  /** The slots to announce. */
  readonly slots: () => readonly Slot[];
  /** The ids of the jobs that a build works on. */
  readonly jobsOf: (build: string) => string[];
  readonly sealingKey: () => Uint8Array;
  readonly agentVersion: string;
  readonly publish: (subject: string, payload: Uint8Array) => void;
  readonly isDraining: () => boolean;
  /** Why the machine drains; undefined if it does not, or if its owner paused it. */
  readonly closedFor: () => string | undefined;
  /** The state of the computer; undefined if it is not known. */
  readonly conditions: () => Conditions | undefined;
  readonly isPrivate: boolean;
  readonly refusesBatches: boolean;
  readonly prefetches: boolean | undefined;
  readonly random: () => number;
}

/** Time between two beats, in milliseconds. */
const BEAT_MS = 5_000;
/**
 * Time between the hello and the first beat, in milliseconds. The leaf may not have reached the hub
 * yet, and announcements are not acknowledged, so the first beats follow each other quickly. Each
 * interval is SLOWER times as long as the one before, until BEAT_MS.
 */
const FIRST_BEAT_MS = 100;
const SLOWER = 1.6;
/**
 * Number of the prompts that were used last in every hello and beat, so that a router that has just
 * started knows the conversations of the last minute after one beat.
 */
const NEWEST_PREFIXES = 16;
/** Largest random deviation of an interval, as a share of it. */
const JITTER = 0.1;
/** Time for which changes of the capacity are gathered into one message, in milliseconds. */
const GATHER_MS = 100;

/**
 * Announces this machine and its load: a hello at the start, a beat every 5 s with the complete
 * state, and messages about changes of the capacity in between.
 */
export class Announcer implements Disposable {
  readonly #options: AnnouncerOptions;
  readonly #session = newSessionId();
  #sequence = 0;
  /** Number of tags of older prompts that were announced in this turn. */
  #announced = 0;
  #pauseMs = FIRST_BEAT_MS;
  #beat: NodeJS.Timeout | undefined;
  #change: NodeJS.Timeout | undefined;

  constructor(options: AnnouncerOptions) {
    this.#options = options;
    options.engine.onChange(() => this.changed());
  }

  hello(): void {
    this.#options.publish(providerSubjects.up('hello'), Hello.encode(this.#withHeld()));
    this.#scheduleBeat();
  }

  /** Announces the machine as at its start, because the network has not received its beats. */
  again(): void {
    this.#pauseMs = FIRST_BEAT_MS;
    this.hello();
  }

  changed(): void {
    this.#change ??= setTimeout(() => {
      this.#change = undefined;
      const { session, sequence, draining, closedFor, conditions, slots } = this.#announcement();
      this.#options.publish(
        providerSubjects.up('capacity'),
        Capacity.encode({
          session,
          sequence,
          draining,
          ...(closedFor && { closedFor }),
          ...(conditions && { conditions }),
          slots,
        }),
      );
    }, GATHER_MS);
  }

  /** The interval is random, so that machines that started together do not send together. */
  #scheduleBeat(): void {
    clearTimeout(this.#beat);
    const wait = this.#pauseMs * (1 - JITTER + 2 * JITTER * this.#options.random());
    this.#pauseMs = Math.min(BEAT_MS, this.#pauseMs * SLOWER);
    this.#beat = setTimeout(() => {
      this.#options.publish(providerSubjects.up('beat'), Beat.encode(this.#withHeld()));
      this.#scheduleBeat();
    }, wait);
  }

  #announcement(): Announcement {
    const { engine, slots, jobsOf, sealingKey, agentVersion, isDraining } = this.#options;
    const { isPrivate, refusesBatches, prefetches } = this.#options;
    const closedFor = this.#options.closedFor();
    const conditions = this.#options.conditions();
    this.#sequence += 1;
    return {
      session: this.#session,
      sequence: this.#sequence,
      draining: isDraining(),
      ...(closedFor !== undefined && { closedFor }),
      ...(conditions !== undefined && { conditions }),
      ...(isPrivate && { privateOnly: true }),
      ...(refusesBatches && { noBatches: true }),
      ...(prefetches !== undefined && { prefetches }),
      slots: slots().map((slot) => ({
        ...slot,
        jobs: jobsOf(slot.build).slice(0, MAX_JOBS_NAMED),
      })),
      agentVersion,
      machine: engine.machine,
      engine: engine.name,
      sealing: { suite: SUITE_ID, publicKey: sealingKey() },
    };
  }

  /** Adds the newest prompts, and the next ones of the others: one message has no room for all of them. */
  #withHeld(): Announcement {
    const announcement = this.#announcement();
    const held = this.#options.engine.heldPrefixes ?? [];
    if (held.length === 0) return announcement;
    const newest = held.slice(0, NEWEST_PREFIXES);
    const older = held.slice(NEWEST_PREFIXES);
    if (this.#announced >= older.length) this.#announced = 0;
    const end = this.#announced + MAX_ANNOUNCED_PREFIXES - NEWEST_PREFIXES;
    const next = older.slice(this.#announced, end);
    this.#announced = end;
    return { ...announcement, holds: [...newest, ...next] };
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#beat);
    clearTimeout(this.#change);
  }
}
