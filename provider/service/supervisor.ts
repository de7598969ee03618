import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { MachineFault } from '#bus-schemas';
import { EXIT } from '#bus-schemas/exit-codes.ts';
import { messageOf } from '#bus-schemas/message-of.ts';
import { countAwake } from '../engine/process/awake-time.ts';
import { type Exit, type SupervisedProcess, startSupervised } from '../supervised-process.ts';
import { EventLog } from './event-log.ts';
import { atStart, type MachineEvent, type MachineState, next } from './machine-state.ts';
import { isWorkerReport, type WorkerOrder } from './worker-report.ts';

export interface SupervisorOptions {
  /**
   * Returns the command line of the worker: the program, then its arguments. It is called for each
   * start, because the owner may have changed the settings since the one before.
   */
  readonly command: () => Promise<readonly [string, ...string[]]>;
  readonly env: NodeJS.ProcessEnv;
  readonly isPaused: boolean;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  /** Receives each line that the worker prints. */
  readonly onLine: (line: string) => void;
  /** Pauses before each new start, in milliseconds; the last one is repeated. */
  readonly pausesMs?: readonly number[];
  /** Silence after which the worker counts as frozen, in milliseconds. */
  readonly silenceMs?: number;
}

/** The build of a model that is served now, or why it is not. */
export type Added = { readonly build: string } | { readonly fault: string };

/** The line with which a worker reports that its program runs. */
export const WORKER_READY = 'provider: the worker runs';
/** A worker that is told to stop completes its requests first, so it gets more than its 60 s. */
const STOP_MS = 75_000;
/** The first start may have to build the native part. */
const READY_MS = 300_000;
const PAUSES_MS = [1_000, 2_000, 5_000, 15_000, 60_000, 300_000] as const;
/** A run of at least this many milliseconds resets the count of failures in a row. */
const STABLE_MS = 60_000;
const SILENCE_MS = 30_000;

/**
 * Runs the worker of this machine: starts it again when it ends, kills it when it is frozen, and
 * keeps the state that its owner sees. A worker that ends with the code for wrong settings is not
 * started again, because only its owner can help.
 */
export class Supervisor implements AsyncDisposable {
  readonly events = new EventLog();
  readonly #options: SupervisorOptions;
  #state: MachineState;
  #worker: SupervisedProcess | undefined;
  #failures = 0;
  /** Time since the last report of the worker, without that in which the computer slept. */
  #silentMs = 0;
  /** Ends the present pause between two starts. */
  #wake = new AbortController();
  #restartWanted = false;
  #frozen = false;
  #lastWords: string | undefined;
  /** The model that the worker is adding. */
  #adding: { readonly model: string; readonly done: PromiseWithResolvers<Added> } | undefined;
  readonly #over: Promise<void>;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#state = atStart(Date.now(), options.isPaused);
    this.#over = this.#run();
  }

  get state(): MachineState {
    return this.#state;
  }

  /** Resolves after `stop`, when the worker has ended. */
  get over(): Promise<void> {
    return this.#over;
  }

  setPaused(isPaused: boolean): void {
    this.#apply({ t: isPaused ? 'paused' : 'resumed' });
    this.#order({ t: isPaused ? 'pause' : 'resume' });
  }

  /** Loads a model of this machine; models that must leave for it complete their answers first. */
  switchTo(build: string): void {
    this.#order({ t: 'switch', build });
  }

  /** Loads a model of this machine if idle models can make room for it. */
  load(build: string): void {
    this.#order({ t: 'load', build });
  }

  /** Lets the worker serve a further model, without loading it. */
  async add(model: string): Promise<Added> {
    if (this.#worker === undefined || this.#state.provider === undefined)
      return { fault: 'The machine does not serve at present.' };
    if (this.#adding !== undefined)
      return { fault: `${this.#adding.model} is being added. Try again when that is done.` };
    this.#adding = { model, done: Promise.withResolvers() };
    try {
      this.#order({ t: 'add', model });
      return await this.#adding.done.promise;
    } finally {
      this.#adding = undefined;
    }
  }

  /** Lets the worker report a fault. It is dropped while no worker runs. */
  note(fault: MachineFault): void {
    this.#order({ t: 'note', fault });
  }

  /** Lets the worker complete its requests, and starts it again. */
  async restart(): Promise<void> {
    this.#restartWanted = true;
    this.#failures = 0;
    this.#wake.abort();
    await this.#worker?.stop();
  }

  /** Lets the worker complete its requests, and ends. */
  async stop(): Promise<void> {
    this.#apply({ t: 'stop_wanted' });
    this.#wake.abort();
    await this.#worker?.stop();
    await this.#over;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #run(): Promise<void> {
    while (!this.#state.isStopping) {
      const startedAt = performance.now();
      const exit = await this.#runOnce();
      if (this.#state.isStopping) return;
      if (this.#restartWanted) {
        this.#restartWanted = false;
        continue;
      }
      if (performance.now() - startedAt >= STABLE_MS) this.#failures = 0;
      this.#failures += 1;
      await this.#pause(exit);
    }
  }

  /** Runs the worker once, and returns how it ended. */
  async #runOnce(): Promise<Exit | Error> {
    const { command, env, silenceMs = SILENCE_MS } = this.#options;
    this.#frozen = false;
    this.#lastWords = undefined;
    this.#apply({ t: 'worker_started' });
    try {
      const [program, ...args] = await command();
      await using worker = await startSupervised({
        name: 'the worker',
        command: program,
        args,
        env: { ...env, ...(this.#state.isPaused && { DINF_PAUSED: '1' }) },
        isReady: (line) => line === WORKER_READY,
        readyTimeoutMs: READY_MS,
        stopTimeoutMs: STOP_MS,
        onLine: (line) => this.#line(line),
        onMessage: (message) => this.#report(message),
      });
      this.#worker = worker;
      this.#silentMs = 0;
      // The order to stop or to restart may have come while the worker was starting.
      if (this.#state.isStopping || this.#restartWanted) void worker.stop();
      using _watch = countAwake(silenceMs / 6, (ms) => {
        this.#silentMs += ms;
        if (this.#silentMs >= silenceMs) this.#endFrozen(worker);
      });
      return await worker.exited;
    } catch (error) {
      return error instanceof Error ? error : new Error(messageOf(error));
    } finally {
      this.#worker = undefined;
      this.#adding?.done.resolve({ fault: 'The worker ended while it read the model.' });
    }
  }

  async #pause(exit: Exit | Error): Promise<void> {
    const { log, pausesMs = PAUSES_MS } = this.#options;
    const isHopeless = !(exit instanceof Error) && exit.code === EXIT.usage;
    const pauseMs = pausesMs[Math.min(this.#failures, pausesMs.length) - 1] ?? 0;
    const reason = this.#reasonOf(exit);
    log.warn({ failures: this.#failures, reason }, 'the worker ended');
    this.#apply({
      t: 'worker_ended',
      reason,
      failures: this.#failures,
      nextStartAt: isHopeless ? undefined : Date.now() + pauseMs,
    });
    this.#wake = new AbortController();
    const { signal } = this.#wake;
    if (isHopeless) await new Promise((resolve) => signal.addEventListener('abort', resolve));
    else await delay(pauseMs, undefined, { signal }).catch(() => undefined);
    this.#restartWanted = false;
  }

  #reasonOf(exit: Exit | Error): string {
    if (this.#frozen) return 'the worker was frozen and was ended.';
    if (this.#lastWords !== undefined) return this.#lastWords;
    if (exit instanceof Error) return exit.message.split('\n', 1)[0] ?? '';
    return exit.signal === null
      ? `the worker ended with exit code ${exit.code}.`
      : `the worker was ended by ${exit.signal}.`;
  }

  /** A worker that sends no report cannot serve either: its engine or its event loop hangs. */
  #endFrozen(worker: SupervisedProcess): void {
    if (this.#state.provider === undefined) return;
    this.#frozen = true;
    void worker.kill();
  }

  #line(line: string): void {
    // Errors of the program are printed as "dinf: …", all other lines are logs.
    if (line.startsWith('dinf: ')) this.#lastWords = line.slice('dinf: '.length);
    this.#options.onLine(line);
  }

  #report(message: unknown): void {
    if (!isWorkerReport(message)) return;
    this.#silentMs = 0;
    this.#apply(message);
    if (message.t === 'added') this.#adding?.done.resolve({ build: message.build });
    if (message.t === 'not_added') this.#adding?.done.resolve({ fault: message.why });
    // The pause of the owner may have been ordered while the worker was starting.
    if (message.t === 'serving') this.#order({ t: this.#state.isPaused ? 'pause' : 'resume' });
  }

  #order(order: WorkerOrder): void {
    this.#worker?.send(order);
  }

  #apply(event: MachineEvent): void {
    const before = this.#state;
    const now = Date.now();
    this.#state = next(before, event, now);
    this.events.add(event, { before, after: this.#state, now });
    if (this.#state.phase !== before.phase)
      this.#options.log.info(
        { phase: this.#state.phase, reason: this.#state.reason },
        'the state of this machine changed',
      );
  }
}
