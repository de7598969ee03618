import {
  type Announcement,
  Beat,
  Capacity,
  Hello,
  MAX_JOBS_NAMED,
  newSessionId,
  providerSubjects,
  SUITE_ID,
} from '#bus-schemas';
import type { Engine } from '../engine/engine.ts';

export interface AnnouncerOptions {
  readonly engine: Engine;
  /** Jobs that a build is busy with. */
  readonly jobsOf: (build: string) => string[];
  readonly sealingKey: () => Uint8Array;
  readonly agentVersion: string;
  readonly publish: (subject: string, payload: Uint8Array) => void;
  readonly isDraining: () => boolean;
  readonly random: () => number;
}

const BEAT_MS = 5_000;
/**
 * The leaf may not have reached the hub when the first words are said, and nobody answers them: so
 * they are repeated, ever slower.
 */
const FIRST_BEAT_MS = 100;
const SLOWER = 1.6;
const JITTER = 0.1;
const GATHER_MS = 100;

/**
 * Says who we are and how busy: a hello, a beat every few seconds that says everything, and changes
 * in between, gathered.
 */
export class Announcer implements Disposable {
  readonly #options: AnnouncerOptions;
  readonly #session = newSessionId();
  #sequence = 0;
  #pauseMs = FIRST_BEAT_MS;
  #beat: NodeJS.Timeout | undefined;
  #change: NodeJS.Timeout | undefined;

  constructor(options: AnnouncerOptions) {
    this.#options = options;
    options.engine.onChange(() => this.changed());
  }

  hello(): void {
    this.#options.publish(providerSubjects.up('hello'), Hello.encode(this.#announcement()));
    this.#scheduleBeat();
  }

  changed(): void {
    this.#change ??= setTimeout(() => {
      this.#change = undefined;
      const { session, sequence, draining, slots } = this.#announcement();
      this.#options.publish(
        providerSubjects.up('capacity'),
        Capacity.encode({ session, sequence, draining, slots }),
      );
    }, GATHER_MS);
  }

  /** A fleet that started together must not speak together. */
  #scheduleBeat(): void {
    clearTimeout(this.#beat);
    const wait = this.#pauseMs * (1 - JITTER + 2 * JITTER * this.#options.random());
    this.#pauseMs = Math.min(BEAT_MS, this.#pauseMs * SLOWER);
    this.#beat = setTimeout(() => {
      this.#options.publish(providerSubjects.up('beat'), Beat.encode(this.#announcement()));
      this.#scheduleBeat();
    }, wait);
  }

  #announcement(): Announcement {
    const { engine, jobsOf, sealingKey, agentVersion, isDraining } = this.#options;
    this.#sequence += 1;
    return {
      session: this.#session,
      sequence: this.#sequence,
      draining: isDraining(),
      slots: engine
        .slots()
        .map((slot) => ({ ...slot, jobs: jobsOf(slot.build).slice(0, MAX_JOBS_NAMED) })),
      agentVersion,
      machine: engine.machine,
      engine: engine.name,
      sealing: { suite: SUITE_ID, publicKey: sealingKey() },
    };
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#beat);
    clearTimeout(this.#change);
  }
}
