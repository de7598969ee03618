import { join } from 'node:path';
import type { Logger } from 'pino';
import { messageOf } from '#bus-schemas/message-of.ts';
import { readIfThere, replace } from '#bus-schemas/saved-file.ts';
import { withCurrentHubs } from './hub-addresses.ts';
import type { Enrolment } from './identity.ts';
import type { Leaf } from './leaf/leaf.ts';

/** Interval at which it is decided whether to ask the coordinator or to reload the leaf. */
const TICK_MS = 5_000;
/**
 * Time between two questions to the coordinator while the leaf has a link, in milliseconds. It is
 * much shorter than a rotation of the authority takes, so that a running machine has the next
 * authority in time.
 */
const ASK_MS = 10 * 60_000;
/**
 * The same while the leaf has no link: an operator may have replaced all hubs that it knows. All
 * machines of a network may be in this state, and each asks twice a minute.
 */
const ASK_WITHOUT_LINK_MS = 30_000;

export interface HubUpdatesOptions {
  /** Folder of the provider, with `enrolment.json`. */
  readonly home: string;
  readonly enrolment: Enrolment;
  /** Used for enrolments of older versions, which do not name their coordinator. */
  readonly coordinatorUrl: string;
  readonly leaf: Pick<Leaf, 'link' | 'reload'>;
  /** Whether no job would lose its messages while the leaf connects again. */
  readonly isIdle: () => boolean;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  /** Monotonic time in milliseconds. */
  readonly clock?: () => number;
}

/**
 * Keeps the addresses of the hubs, and the certificates of their authorities, up to date while the
 * machine runs. Both come over HTTPS, as at the start. If the coordinator does not answer, the
 * present ones stay in use. New addresses are saved at once. The leaf connects again to use them,
 * so it gets them only while no job runs, or when it has no link.
 */
export class HubUpdates implements AsyncDisposable {
  readonly #options: HubUpdatesOptions;
  readonly #clock: () => number;
  readonly #timer: NodeJS.Timeout;
  #enrolment: Enrolment;
  /** The enrolment whose addresses the leaf uses. */
  #used: Enrolment;
  #askedAt: number;
  #ticking: Promise<void> = Promise.resolve();

  constructor(options: HubUpdatesOptions) {
    this.#options = options;
    this.#clock = options.clock ?? (() => performance.now());
    this.#enrolment = options.enrolment;
    this.#used = options.enrolment;
    this.#askedAt = this.#clock();
    this.#timer = setInterval(() => void this.tick(), TICK_MS);
    this.#timer.unref();
  }

  /** Asks the coordinator if that is due, and reloads the leaf if it may. Never throws. */
  tick(): Promise<void> {
    this.#ticking = this.#ticking.then(() => this.#tick());
    return this.#ticking;
  }

  async #tick(): Promise<void> {
    const { leaf, isIdle, log } = this.#options;
    const pauseMs = leaf.link.fault === undefined ? ASK_MS : ASK_WITHOUT_LINK_MS;
    try {
      if (this.#clock() - this.#askedAt >= pauseMs) await this.#ask();
      if (this.#used === this.#enrolment) return;
      if (leaf.link.fault === undefined && !isIdle()) return;
      await leaf.reload(this.#enrolment);
      this.#used = this.#enrolment;
      log.info({ hubs: this.#used.leafUrls }, 'the leaf uses the new addresses of the hubs');
    } catch (error) {
      log.warn(
        { because: messageOf(error) },
        'the addresses of the hubs could not be read; the machine tries again later',
      );
    }
  }

  async #ask(): Promise<void> {
    const { home, coordinatorUrl, leaf, log } = this.#options;
    const known = this.#enrolment;
    this.#askedAt = this.#clock();
    const before = await authoritiesOf(known);
    const current = await withCurrentHubs(home, known, coordinatorUrl);
    if (!isSameSet(current.leafUrls, known.leafUrls)) {
      await replace(join(home, 'enrolment.json'), JSON.stringify(current));
      this.#enrolment = current;
    }
    if (before !== (await authoritiesOf(known))) {
      await leaf.reload();
      log.info('the machine accepts other certificates of the hubs: their authority changes');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#ticking;
  }
}

const authoritiesOf = async ({ hubCaFile }: Enrolment): Promise<string | undefined> =>
  hubCaFile === undefined ? undefined : readIfThere(hubCaFile);

const isSameSet = (some: readonly string[], others: readonly string[]): boolean =>
  some.toSorted().join(' ') === others.toSorted().join(' ');
