import { type Announcement, type Refusal, type Slot, SUITE_ID } from '#bus-schemas';
import type { Ailment } from '../ailment.ts';
import { type Chip, machineOf } from '../chips.ts';
import { Heat } from '../heat.ts';
import type { SimulatedBuild } from '../models.ts';
import { cacheTokens, decodeTps, fits, loadMs, prefillTps, slowdown } from '../speeds.ts';
import { meanRequest } from './made-up-arrivals.ts';
import type { Timeline } from './timeline.ts';

/** One attempt of a job at one machine. */
export interface Work {
  readonly job: string;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly maxTokens: number;
  /** Called when the first token is generated. */
  readonly onContent: () => void;
  readonly onEnd: () => void;
  readonly onLost: () => void;
}

interface Running extends Work {
  /** Value of the Mac's `#count` when the answer began. */
  from: number;
  /** Value of the Mac's `#count` at which the answer ends. */
  until: number;
}

export interface VirtualMacOptions {
  readonly id: string;
  readonly chip: Chip;
  readonly build: SimulatedBuild;
  readonly concurrency: number;
  readonly timeline: Timeline;
  /** The Mac announces the state of its computer. */
  readonly reportsConditions: boolean;
  /** Called when the Mac becomes warmer or cooler. */
  readonly onHeat: (mac: VirtualMac) => void;
}

/**
 * A Mac in virtual time. It reads prompts one after the other and generates answers in parallel,
 * each of them the slower the more there are.
 */
export class VirtualMac {
  readonly id: string;
  readonly chip: Chip;
  readonly build: SimulatedBuild;
  readonly concurrency: number;
  /**
   * Number of average requests per second that the Mac can serve while all its places are taken.
   */
  readonly requestsPerSecond: number;
  readonly #timeline: Timeline;
  readonly #reportsConditions: boolean;
  readonly #onHeat: (mac: VirtualMac) => void;
  readonly #room: number;
  readonly #prompts: Running[] = [];
  /** Jobs whose prompt is read but whose answer has not begun because of the ailment `lateMs`. */
  readonly #late = new Set<Running>();
  readonly #answers = new Set<Running>();
  ailment: Ailment = {};
  isAwake = true;
  /** Number of reasons for which its owner excludes new jobs at present. */
  closures = 0;
  #session = 0;
  #sequence = 0;
  #promised = 0;
  /** Tokens that an answer would have by now if it had run since the start of the Mac. */
  #count = 0;
  /** Time of the last update of `#count`. */
  #countedAt = 0;
  #plan = 0;
  readonly #heat = new Heat();
  /** Share of the full speed at which the Mac runs, because of heat. */
  speed = 1;

  constructor({
    id,
    chip,
    build,
    concurrency,
    timeline,
    reportsConditions,
    onHeat,
  }: VirtualMacOptions) {
    if (!fits(chip, build)) throw new RangeError(`${build.build} does not fit into ${chip.name}`);
    [this.id, this.chip, this.build, this.concurrency, this.#timeline] = [
      id,
      chip,
      build,
      concurrency,
      timeline,
    ];
    [this.#reportsConditions, this.#onHeat] = [reportsConditions, onHeat];
    this.#room = Math.floor(cacheTokens(chip, build));
    const reading = meanRequest.promptTokens / prefillTps(chip, build);
    const writing =
      (meanRequest.outputTokens * slowdown(concurrency)) / decodeTps(chip, build) / concurrency;
    this.requestsPerSecond = 1 / Math.max(reading, writing);
  }

  get running(): number {
    return this.#prompts.length + this.#late.size + this.#answers.size;
  }

  /** Whether the Mac is awake, accepts jobs and works on them. */
  get isAble(): boolean {
    const { refuses, stalls } = this.ailment;
    return this.isAwake && this.closures === 0 && refuses === undefined && stalls !== true;
  }

  announcement(): Announcement {
    this.#sequence += 1;
    return {
      session: `s_${String(this.#session).padStart(12, '0')}`,
      sequence: this.#sequence,
      draining: this.closures > 0,
      ...(this.#reportsConditions && {
        conditions: { thermal: this.#heat.state, ...this.ailment.conditions },
      }),
      agentVersion: '1',
      machine: machineOf(this.chip),
      engine: 'simulated',
      sealing: { suite: SUITE_ID, publicKey: NO_KEY },
      slots: [this.#slot()],
    };
  }

  /** Takes the work, or returns the reason why the Mac refuses it. */
  offer(work: Work): Refusal | undefined {
    if (!this.isAwake || this.closures > 0) return 'draining';
    if (this.ailment.refuses) return this.ailment.refuses;
    if (this.running >= this.concurrency) return 'queue_full';
    if (work.promptTokens + work.maxTokens > this.#freeTokens) return 'token_budget_exhausted';
    this.#promised += work.promptTokens + work.maxTokens;
    const running: Running = Object.assign(work, { from: 0, until: 0 });
    this.#prompts.push(running);
    if (this.#prompts.length === 1) this.#readNext();
    return undefined;
  }

  /** Cancels the work. Returns false if the work is not here or the Mac ignores cancellations. */
  cancel(work: Work): boolean {
    return !this.ailment.ignoresCancels && this.#remove(work as Running);
  }

  isAt(work: Work): boolean {
    const running = work as Running;
    return this.#answers.has(running) || this.#late.has(running) || this.#prompts.includes(running);
  }

  /** Number of tokens of the answer that are generated so far. */
  progress(work: Work): number {
    const running = work as Running;
    if (!this.#answers.has(running)) return 0;
    this.#advance();
    return Math.min(running.outputTokens, Math.floor(this.#count - running.from));
  }

  /** Disappears without a message and loses all its work. */
  sleep(): void {
    this.isAwake = false;
    const lost = this.#all();
    this.#prompts.length = 0;
    this.#late.clear();
    this.#answers.clear();
    this.#promised = 0;
    this.#plan += 1;
    for (const work of lost) work.onLost();
  }

  /** Ends the ailment. Jobs that had stalled go on. */
  recover(): void {
    const didStall = this.ailment.stalls === true;
    this.ailment = {};
    if (didStall) this.#readNext();
  }

  wake(): void {
    this.isAwake = true;
    this.#session += 1;
  }

  #all(): Running[] {
    return [...this.#prompts, ...this.#late, ...this.#answers];
  }

  get #freeTokens(): number {
    return Math.max(0, Math.floor(this.#room * (this.ailment.roomShare ?? 1)) - this.#promised);
  }

  #slot(): Slot {
    const { build, contextTokens, traits } = this.build;
    const { boasts = 1 } = this.ailment;
    return {
      build,
      contextTokens,
      traits: [...traits],
      state: 'resident',
      waiting: 0,
      running: this.running,
      jobs: this.#all().map(({ job }) => job),
      maxConcurrency: this.concurrency,
      freeTokens: this.#freeTokens,
      decodeTps: decodeTps(this.chip, this.build) * boasts,
      prefillTps: prefillTps(this.chip, this.build) * boasts,
      loadMs: loadMs(this.build),
    };
  }

  #remove(work: Running): boolean {
    this.#advance();
    const place = this.#prompts.indexOf(work);
    const isThere = place >= 0 || this.#late.delete(work) || this.#answers.delete(work);
    if (!isThere) return false;
    this.#promised -= work.promptTokens + work.maxTokens;
    if (place >= 0) this.#prompts.splice(place, 1);
    if (place === 0) this.#readNext();
    if (place < 0) this.#planEnd();
    if (this.running === 0) this.#planRest();
    return true;
  }

  /** Reads the first prompt in the queue; the result is discarded if the job is cancelled first. */
  #readNext(): void {
    const next = this.#prompts[0];
    if (next === undefined || this.ailment.stalls) return;
    const session = this.#session;
    this.#timeline.after(
      (1_000 * next.promptTokens) / prefillTps(this.chip, this.build) / this.speed,
      () => {
        if (this.#prompts[0] !== next || session !== this.#session) return;
        this.#prompts.shift();
        this.#late.add(next);
        this.#readNext();
        const { lateMs } = this.ailment;
        if (lateMs === undefined) this.#answer(next);
        else this.#timeline.after(lateMs, () => this.#answer(next));
      },
    );
  }

  #answer(work: Running): void {
    if (!this.#late.delete(work)) return;
    this.#advance();
    this.#answers.add(work);
    work.from = this.#count;
    work.until = this.#count + work.outputTokens;
    this.#planEnd();
    work.onContent();
  }

  /** Updates `#count` and `speed` to the present time. */
  #advance(): void {
    const { now } = this.#timeline;
    this.#count += (now - this.#countedAt) * this.#tokensPerMs;
    this.#countedAt = now;
    const before = this.#heat.state;
    this.speed = this.#heat.speed(this.ailment, this.running > 0, now) * (this.ailment.speed ?? 1);
    if (this.#heat.state !== before) this.#onHeat(this);
  }

  get #tokensPerMs(): number {
    return this.#answers.size === 0
      ? 0
      : (this.speed * decodeTps(this.chip, this.build)) / slowdown(this.#answers.size) / 1_000;
  }

  /** A Mac that rests reports when it has cooled down. */
  #planRest(): void {
    const { throttles } = this.ailment;
    if (throttles === undefined) return;
    this.#timeline.after(throttles.afterMs, () => {
      if (this.running === 0) this.#advance();
    });
  }

  /** Plans the end of the next answer; every job that begins or ends before replaces this plan. */
  #planEnd(): void {
    this.#plan += 1;
    const plan = this.#plan;
    let first: Running | undefined;
    for (const work of this.#answers)
      if (first === undefined || work.until < first.until) first = work;
    if (first === undefined) return;
    const ending = first;
    const leftMs = Math.max(0, (ending.until - this.#count) / this.#tokensPerMs);
    // Heat may slow the Mac down before the planned end, so look again after `afterMs` at the
    // latest.
    const lookMs = Math.min(leftMs, this.ailment.throttles?.afterMs ?? leftMs);
    this.#timeline.after(lookMs, () => {
      if (plan !== this.#plan) return;
      if (lookMs < leftMs) {
        this.#advance();
        return this.#planEnd();
      }
      this.#remove(ending);
      ending.onEnd();
    });
  }
}

const NO_KEY = new Uint8Array(32);
