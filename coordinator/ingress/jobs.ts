import {
  Cancel,
  type CodecError,
  core,
  events,
  FIRST_CELL,
  FrameGroup,
  inCell,
  LruMap,
  Out,
  parseFrameSubject,
  providerOf,
  RoutingFleet,
  RoutingLed,
  services,
  TrustDisconnected,
  TrustRevoked,
  Violation,
} from '#bus-schemas';
import type { Answer } from '#http-api/answer.ts';
import { unstartedFact } from './core/ended-fact.ts';
import { DRAIN_MS } from './core/job.ts';
import { JobFacts } from './job-facts.ts';
import { type JobDeps, JobRun } from './job-run.ts';
import type { JobSpec } from './job-spec.ts';

const TICK_MS = 25;
/**
 * Shortest time between two cancels for one attempt, or between two violations of one provider, in
 * milliseconds: a provider may send any number of unexpected messages.
 */
const REPEAT_MS = 1_000;
const MAX_REMEMBERED = 10_000;
/** Longer than a cancelled job waits for the end of its provider, in milliseconds. */
const LAST_ENDS_MS = DRAIN_MS + 500;

/** The jobs of this ingress. It passes each message of the bus to the job that it concerns. */
export class Jobs implements AsyncDisposable {
  readonly #deps: JobDeps;
  readonly #running = new Map<string, JobRun>();
  readonly #reportedAt = new LruMap<string, number>(MAX_REMEMBERED);
  readonly #subscriptions: { unsubscribe(): void }[];
  /** Runs only while jobs do. */
  #ticker: NodeJS.Timeout | undefined;
  #idle: (() => void)[] = [];

  constructor(deps: Omit<JobDeps, 'onOver'>) {
    this.#deps = { ...deps, onOver: (job) => this.#over(job) };
    const { bus, ingress } = deps;
    const lost = ({ provider }: { provider: string }) => this.#providerLost(provider);
    this.#subscriptions = [
      bus.subscribe({
        subject: core.everyFrameOf(ingress),
        kind: Out,
        handle: (out, subject) => {
          const { provider, job } = parseFrameSubject(subject);
          this.#route(provider, job, out);
        },
        onInvalid: (error, subject) => this.#unreadable(error, subject),
      }),
      bus.subscribe({
        subject: core.everyFrameGroupOf(ingress),
        kind: FrameGroup,
        handle: ({ frames }, subject) => {
          const provider = providerOf(subject);
          for (const frame of frames) this.#route(provider, frame.job, frame);
        },
        onInvalid: (error, subject) => this.#unreadable(error, subject),
      }),
      bus.subscribe({ subject: events.trustDisconnected, kind: TrustDisconnected, handle: lost }),
      bus.subscribe({ subject: events.trustRevoked, kind: TrustRevoked, handle: lost }),
      bus.subscribe({
        subject: events.routingFleet,
        kind: RoutingFleet,
        handle: (fact) =>
          fact.change === 'silent' || fact.change === 'left' ? lost(fact) : undefined,
      }),
      bus.subscribe({
        subject: events.routingLed,
        kind: RoutingLed,
        handle: ({ cell = FIRST_CELL }) =>
          bus.rejectOpenCalls(inCell(services.routing.reserve, cell)),
      }),
    ];
    void this.#watchReconnects();
  }

  get size(): number {
    return this.#running.size;
  }

  start(spec: JobSpec, answer: Answer): JobRun {
    spec.jointHold?.started(spec.id);
    const job = new JobRun(spec, answer, this.#deps);
    this.#running.set(spec.id, job);
    this.#ticker ??= setInterval(() => this.#tick(), TICK_MS);
    return job;
  }

  /**
   * Waits at most `timeoutMs` for the running jobs. Then it ends their answers with an error, and
   * waits shortly for the ends of the providers, so that the jobs are settled.
   */
  async end(timeoutMs: number): Promise<void> {
    await this.#whenIdle(timeoutMs);
    for (const job of this.#running.values()) job.ingressStops();
    await this.#whenIdle(LAST_ENDS_MS);
  }

  /** Resolves when no job is running, or after `timeoutMs`. */
  async #whenIdle(timeoutMs: number): Promise<void> {
    if (this.#running.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeoutMs);
    this.#idle.push(resolve);
    await promise;
    clearTimeout(timer);
  }

  #over(job: JobRun): void {
    this.#running.delete(job.spec.id);
    this.#endUnstarted(job.spec);
    if (this.#running.size > 0) return;
    this.#stopTicker();
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Reports the end of choices that will not start, so that their money is released. */
  #endUnstarted({ id, jointHold }: JobSpec): void {
    const { bus, now, ingress } = this.#deps;
    for (const choice of jointHold?.left(id) ?? [])
      new JobFacts(choice, bus, now).ended(unstartedFact(choice, ingress, now()));
  }

  #route(provider: string, job: string, out: Out): void {
    if (this.#running.get(job)?.take(provider, out)) return;
    if (out.t === 'frame') this.#dismiss(provider, job, out);
  }

  /**
   * Acknowledges a frame that no job expects, so that the provider can drop it, and cancels the
   * attempt.
   */
  #dismiss(provider: string, job: string, frame: { attempt: number; seq: number }): void {
    const { attempt, seq } = frame;
    this.#deps.flow.report(provider, {
      job,
      attempt,
      received: seq + 1,
      window: seq + 1,
      resend: false,
      deliveredTokens: 0,
    });
    if (this.#wasReportedLately(`${job} ${attempt}`)) return;
    this.#deps.bus.publish(core.down(provider, 'cancel'), Cancel, {
      job,
      attempt,
      reason: 'superseded',
    });
  }

  #unreadable(error: CodecError, subject: string): void {
    const provider = providerOf(subject);
    this.#deps.log.warn(
      { provider, code: error.code },
      'a message of a provider could not be decoded',
    );
    if (this.#wasReportedLately(provider)) return;
    const at = this.#deps.now();
    this.#deps.bus.emit(
      events.telemetryViolation,
      Violation,
      { provider, at, violation: 'malformed_message' },
      `violation:${provider}:${at}`,
    );
  }

  #wasReportedLately(topic: string): boolean {
    const now = this.#deps.clock();
    const before = this.#reportedAt.get(topic);
    if (before !== undefined && now - before < REPEAT_MS) return true;
    this.#reportedAt.set(topic, now);
    return false;
  }

  #providerLost(provider: string): void {
    for (const job of this.#running.values()) job.providerLost(provider);
  }

  #stopTicker(): void {
    clearInterval(this.#ticker);
    this.#ticker = undefined;
  }

  #tick(): void {
    for (const job of this.#running.values()) job.tick();
  }

  async #watchReconnects(): Promise<void> {
    for await (const { type } of this.#deps.bus.connection.status()) {
      if (type !== 'reconnect') continue;
      for (const job of this.#running.values()) job.busReconnected();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopTicker();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }
}
