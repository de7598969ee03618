import { messageOf } from '#bus-schemas/message-of.ts';
import { gb } from '../downloads/fit.ts';
import type { Progress } from '../downloads/pull-model.ts';
import { DesiredError } from './desired-error.ts';
import type { DesiredMode } from './desired-modes.ts';
import { isPlausible, type WantedBuild } from './fetch-build.ts';

export interface DesiredWatchOptions {
  /** The builds that the network wants here at present and that this machine does not serve. */
  readonly wanted: () => readonly WantedBuild[];
  /** The owner may change it while the service runs. */
  readonly mode: () => Promise<DesiredMode>;
  /** Downloads and checks a build, and serves it. Throws with the reason if that is not possible. */
  readonly take: (
    build: WantedBuild,
    onProgress: (progress: Progress) => void,
    signal: AbortSignal,
  ) => Promise<void>;
  readonly onFault: (error: unknown) => void;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  readonly tickMs?: number;
}

/** A wanted build, and what this machine does about it, for its owner. */
export interface ShownBuild {
  readonly model: string;
  readonly build: string;
  readonly state: 'offered' | 'fetching' | 'failed';
  readonly text: string;
}

const TICK_MS = 5_000;
/** Time after a failure in which the same build is not tried again by itself, in milliseconds. */
const RETRY_MS = 3_600_000;
/** Failures that are kept. The network names few builds at a time; more are a fault of it. */
const MAX_FAILURES = 32;

interface Failure {
  readonly at: number;
  readonly why: string;
}

interface Taking {
  readonly build: WantedBuild;
  readonly stop: AbortController;
  readonly done: Promise<void>;
  progress: Progress | undefined;
}

/** Shows its owner the builds that the network wants here, and fetches them as the owner allows. */
export class DesiredWatch implements AsyncDisposable {
  readonly #options: DesiredWatchOptions;
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;
  readonly #failures = new Map<string, Failure>();
  #mode: DesiredMode = 'off';
  #taking: Taking | undefined;
  #looking: Promise<void> = Promise.resolve();

  constructor(options: DesiredWatchOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#timer = setInterval(() => this.tick(), options.tickMs ?? TICK_MS).unref();
    void this.tick();
  }

  /** The wanted builds as their owner sees them; none if the owner ignores them. */
  get shown(): ShownBuild[] {
    const taking = this.#taking;
    const fetching = taking === undefined ? [] : [fetchingBuild(taking)];
    if (this.#mode === 'off') return fetching;
    return [
      ...fetching,
      ...this.#plausible
        .filter(({ build }) => build !== taking?.build.build)
        .map((wanted) => offeredBuild(wanted, this.#mode, this.#failures.get(wanted.build))),
    ];
  }

  /** Fetches a build that the owner has accepted. Throws if the network does not want it here. */
  accept(name: string): void {
    const wanted = this.#plausible.find(
      ({ build, repository }) => build === name || repository === name,
    );
    if (this.#taking !== undefined) {
      const { build } = this.#taking.build;
      if (build === wanted?.build) return;
      throw new DesiredError('busy', `${build} is being fetched. Try again when it is complete.`);
    }
    if (wanted === undefined) {
      const builds = this.#plausible.map(({ build }) => build);
      throw new DesiredError(
        'not_wanted',
        `The network does not want ${name} on this machine at present${builds.length === 0 ? '' : `, but ${builds.join(', ')}`}. "dinf provider models pull" downloads any model.`,
      );
    }
    this.#begin(wanted);
  }

  /** Looks whether something is due, after the looks that began before. */
  tick(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#look()).catch(this.#options.onFault);
    return this.#looking;
  }

  async #look(): Promise<void> {
    this.#mode = await this.#options.mode();
    if (this.#mode !== 'on' || this.#taking !== undefined) return;
    const due = this.#plausible.find(({ build }) => {
      const failure = this.#failures.get(build);
      return failure === undefined || this.#now() - failure.at >= RETRY_MS;
    });
    if (due !== undefined) this.#begin(due);
  }

  get #plausible(): readonly WantedBuild[] {
    return this.#options.wanted().filter(isPlausible);
  }

  #begin(build: WantedBuild): void {
    const stop = new AbortController();
    const onProgress = (progress: Progress) => {
      if (this.#taking !== undefined) this.#taking.progress = progress;
    };
    const done = this.#options.take(build, onProgress, stop.signal).then(
      () => void this.#failures.delete(build.build),
      (error: unknown) => this.#failed(build, error),
    );
    this.#taking = { build, stop, progress: undefined, done };
    void done.then(() => {
      this.#taking = undefined;
    });
  }

  #failed({ build }: WantedBuild, error: unknown): void {
    this.#failures.delete(build);
    this.#failures.set(build, { at: this.#now(), why: messageOf(error) });
    const [oldest] = this.#failures.keys();
    if (this.#failures.size > MAX_FAILURES && oldest !== undefined) this.#failures.delete(oldest);
    this.#options.onFault(error);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#taking?.stop.abort();
    await this.#taking?.done;
  }
}

function fetchingBuild({ build: { model, build }, progress }: Taking): ShownBuild {
  const { doneBytes = 0, totalBytes = 0 } = progress ?? {};
  const isComplete = totalBytes > 0 && doneBytes >= totalBytes;
  const text = isComplete
    ? `${build} is complete, and its files are checked.`
    : `${build} is being downloaded${totalBytes === 0 ? '' : `: ${gb(doneBytes)} of ${gb(totalBytes)}`}.`;
  return { model, build, state: 'fetching', text };
}

function offeredBuild(
  { model, build, reason }: WantedBuild,
  mode: DesiredMode,
  failure: Failure | undefined,
): ShownBuild {
  const accept = `"dinf provider accept ${build}"`;
  if (failure !== undefined)
    return {
      model,
      build,
      state: 'failed',
      text: `${build} was not added: ${failure.why} ${accept} tries it again.`,
    };
  const next =
    mode === 'on' ? 'It is downloaded next.' : `${accept} downloads, checks and serves it.`;
  return { model, build, state: 'offered', text: `${whyText(model, build, reason)} ${next}` };
}

function whyText(model: string, build: string, reason: string): string {
  switch (reason) {
    case 'rollout':
      return `${build} is now the preferred build of ${model}, of which this machine has the one before.`;
    case 'demand':
      return `More requests for ${model} come than its machines can answer, and ${build} serves it.`;
    default:
      return `The network wants ${build} for ${model} here.`;
  }
}
