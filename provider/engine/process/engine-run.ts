import type { Delta, Usage } from '#bus-schemas';
import { withoutSecrets } from '#bus-schemas/settings/settings.ts';
import type { EngineFault } from '../../reasons.ts';
import { type Exit, type SupervisedProcess, startSupervised } from '../../supervised-process.ts';
import {
  type EncodingWork,
  type GenerationRequest,
  RequestRefused,
  type Sequence,
  type Sink,
} from '../engine.ts';
import { countAwake } from './awake-time.ts';
import { oomKills } from './memory-share.ts';
import {
  areEngineReports,
  ENGINE_PROCESS_READY,
  type EngineOrder,
  type EngineReport,
  type EngineSettings,
} from './messages.ts';

export interface EngineRunOptions {
  readonly program: URL;
  readonly settings: EngineSettings;
  /** The file with the number of processes that the system has ended for lack of memory. */
  readonly kernelCounters: string;
  readonly onReport: (report: StateReport) => void;
  readonly onLine: (line: string) => void;
  /** Called once, before the requests end. */
  readonly onFault: (fault: EngineFault) => void;
  /** Time between two looks at the silence of the process, in milliseconds. */
  readonly tickMs: number;
  /** Limits the silence of a process that has opened its models, in milliseconds. */
  readonly maxSilenceMs: number;
}

/** Reports about the engine as a whole; the others belong to one request. */
export type StateReport = Exclude<EngineReport, { id: number } | { t: 'pulse' }>;

interface RunningRequest {
  readonly build: string;
  readonly sink: Sink;
  usage: Usage;
  hasContent: boolean;
  isCancelled: boolean;
}

/** Time in which a process starts to run, in milliseconds. */
const START_MS = 60_000;
/**
 * Silence that is allowed until the first message, in milliseconds. Reading the files of a model
 * occupies the process.
 */
const OPENING_SILENCE_MS = 120_000;

/**
 * One run of the process of an engine, from its start to its end.
 *
 * Invariant: every request ends exactly once. At the end of the process a request without content is
 * refused, so that another machine gets it, and one with content ends with an error.
 */
export class EngineRun implements AsyncDisposable {
  readonly #process: SupervisedProcess;
  readonly #options: EngineRunOptions;
  readonly #requests = new Map<number, RunningRequest>();
  #lastId = 0;
  #fault: EngineFault | undefined;
  #silentMs = 0;
  #allowedSilenceMs = OPENING_SILENCE_MS;
  #isOpened = false;
  /** Resolves when the process has ended and every request has ended. */
  readonly exited: Promise<Exit>;

  private constructor(
    child: SupervisedProcess,
    options: EngineRunOptions,
    oomKillsBefore: number | undefined,
  ) {
    this.#process = child;
    this.#options = options;
    const watch = countAwake(options.tickMs, (ms) => {
      this.#silentMs += ms;
      if (this.#silentMs > this.#allowedSilenceMs) this.#end('engine_frozen');
    });
    this.exited = child.exited.then(async (exit) => {
      watch[Symbol.dispose]();
      const isOomKill =
        exit.signal === 'SIGKILL' &&
        oomKillsBefore !== undefined &&
        ((await oomKills(options.kernelCounters)) ?? 0) > oomKillsBefore;
      this.#fail(isOomKill ? 'engine_out_of_memory' : 'engine_crashed');
      return exit;
    });
  }

  static async start(options: EngineRunOptions): Promise<EngineRun> {
    const { program, settings, onLine, kernelCounters } = options;
    const oomKillsBefore = await oomKills(kernelCounters);
    // The process sends nothing of importance before it is asked to open the models.
    let run: EngineRun | undefined;
    const child = await startSupervised({
      name: 'the engine',
      command: process.execPath,
      args: [program.pathname],
      // A model file that exploits the engine must not find tokens of the worker.
      env: withoutSecrets(process.env),
      isReady: (line) => line === ENGINE_PROCESS_READY,
      readyTimeoutMs: START_MS,
      onLine: (line) => {
        if (line !== ENGINE_PROCESS_READY) onLine(line);
      },
      onMessage: (message) => {
        if (run !== undefined) run.#receive(message);
      },
    });
    run = new EngineRun(child, options, oomKillsBefore);
    run.#send({ t: 'open', settings });
    return run;
  }

  get pid(): number {
    return this.#process.pid;
  }

  load(build: string): void {
    this.#send({ t: 'load', build });
  }

  switchTo(build: string): void {
    this.#send({ t: 'switch', build });
  }

  add(name: string): void {
    this.#send({ t: 'add', name });
  }

  emptyCaches(): void {
    this.#send({ t: 'empty_caches' });
  }

  unload(build: string): void {
    this.#send({ t: 'unload', build });
  }

  /** The requests end at once, and do not wait for the end of the running step. */
  endAnswers(build: string): void {
    for (const [id, request] of this.#requests) {
      if (request.build !== build) continue;
      this.#send({ t: 'cancel', id });
      this.#endRequest(id, request, 'out_of_memory');
    }
    this.unload(build);
  }

  generate(request: GenerationRequest, sink: Sink): Sequence {
    return this.#begin(request.build, sink, (id) => ({ t: 'generate', id, request }));
  }

  encode(work: EncodingWork, sink: Sink): Sequence {
    return this.#begin(work.build, sink, (id) => ({ t: 'encode', id, work }));
  }

  #begin(build: string, sink: Sink, orderOf: (id: number) => EngineOrder): Sequence {
    if (this.#fault !== undefined) throw new RequestRefused('model_not_loaded');
    this.#lastId += 1;
    const id = this.#lastId;
    const running: RunningRequest = {
      build,
      sink,
      usage: { promptTokens: 0, cachedTokens: 0, completionTokens: 0 },
      hasContent: false,
      isCancelled: false,
    };
    this.#requests.set(id, running);
    this.#send(orderOf(id));
    return {
      pause: () => this.#send({ t: 'pause', id }),
      resume: () => this.#send({ t: 'resume', id }),
      cancel: () => {
        running.isCancelled = true;
        this.#send({ t: 'cancel', id });
      },
    };
  }

  /** Ends the process, and cancels its requests. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const request of this.#requests.values()) request.isCancelled = true;
    await this.#process.stop();
    await this.exited;
  }

  #send(order: EngineOrder): void {
    this.#process.send(order);
  }

  #receive(message: unknown): void {
    if (this.#fault !== undefined) return;
    this.#silentMs = 0;
    if (!areEngineReports(message)) return this.#end('engine_unreadable');
    for (const report of message) {
      if (report.t === 'pulse') {
        if (this.#isOpened)
          this.#allowedSilenceMs = Math.min(report.silenceMs, this.#options.maxSilenceMs);
        if (report.overdue !== undefined) this.#end('engine_hung');
      } else if ('id' in report) {
        this.#answer(report);
      } else {
        this.#isOpened ||= report.t === 'opened';
        this.#options.onReport(report);
      }
    }
  }

  #answer(report: Extract<EngineReport, { id: number }>): void {
    const request = this.#requests.get(report.id);
    if (request === undefined) return;
    const { sink } = request;
    switch (report.t) {
      case 'begun': {
        const { promptTokens, cachedTokens } = report;
        request.usage = { ...request.usage, promptTokens, cachedTokens };
        return sink.begun?.({ promptTokens, cachedTokens });
      }
      case 'delta':
        request.hasContent = true;
        request.usage = withDelta(request.usage, report.delta);
        return sink.delta(report.delta);
      case 'end': {
        this.#requests.delete(report.id);
        const { finish, usage, stopSequence, about } = report;
        return sink.end(finish, usage, { stopSequence, about });
      }
      case 'refuse':
        this.#requests.delete(report.id);
        return sink.refuse(new RequestRefused(report.code, detailsOf(report)));
    }
  }

  #end(fault: EngineFault): void {
    // Requests move to other machines at once, and do not wait for the end of the process.
    this.#fail(fault);
    void this.#process.kill();
  }

  #fail(fault: EngineFault): void {
    if (this.#fault !== undefined) return;
    this.#fault = fault;
    this.#options.onFault(fault);
    this.#endRequests();
  }

  #endRequests(): void {
    for (const [id, request] of this.#requests) this.#endRequest(id, request);
  }

  /** `finish` is that of an answer with content. */
  #endRequest(
    id: number,
    { sink, usage, hasContent, isCancelled }: RunningRequest,
    finish: 'error' | 'out_of_memory' = 'error',
  ): void {
    this.#requests.delete(id);
    if (isCancelled) sink.end('cancelled', usage);
    else if (hasContent) sink.end(finish, usage);
    else sink.refuse(new RequestRefused('model_not_loaded'));
  }
}

const withDelta = (usage: Usage, { k, tokens }: Delta): Usage => ({
  ...usage,
  completionTokens: usage.completionTokens + tokens,
  ...(k === 'reasoning' && { reasoningTokens: (usage.reasoningTokens ?? 0) + tokens }),
});

const detailsOf = ({ about, detail }: Extract<EngineReport, { t: 'refuse' }>) => ({
  ...(about !== undefined && { about }),
  ...(detail !== undefined && { detail }),
});
