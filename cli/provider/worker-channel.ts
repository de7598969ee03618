import { hex } from '#bus-schemas';
import { messageOf } from '#bus-schemas/message-of.ts';
import type { AgentObserver } from '#provider/agent/agent.ts';
import type { Daemon } from '#provider/daemon.ts';
import { PAGE_TOKENS } from '#provider/engine/decoders/decoder.ts';
import type { Engine } from '#provider/engine/engine.ts';
import type { PrefixStoreFigures } from '#provider/engine/stored/prefix-store.ts';
import type { Door } from '#provider/guest/door.ts';
import { lineOf } from '#provider/service/event-log.ts';
import { reportedText } from '#provider/service/sentence.ts';
import { WORKER_READY } from '#provider/service/supervisor.ts';
import { isWorkerOrder, type WorkerReport } from '#provider/service/worker-report.ts';
import { modelFolderOf } from './serve-options.ts';

interface Serving {
  readonly daemon: Daemon;
  readonly engine: Engine;
  readonly door: Door;
}

const PULSE_MS = 1_000;

/**
 * Sends the reports of `dinf provider` while it serves: to its supervisor, if one started it, and
 * otherwise as lines on the terminal.
 */
export class WorkerChannel {
  /** Whether a supervisor started this process. */
  readonly isSupervised = process.send !== undefined;

  constructor() {
    if (this.isSupervised) console.log(WORKER_READY);
  }

  readonly observer: AgentObserver = {
    demanded: ({ builds }) => this.report({ t: 'demand', builds }),
    desired: (builds) =>
      this.report({
        t: 'desired',
        builds: builds.map(({ weights, ...build }) => ({ ...build, weights: hex(weights) })),
      }),
    reported: (faults) => {
      if (this.isSupervised) this.report({ t: 'reported', faults });
      else
        console.log(
          `reported to the operator: ${reportedText(Object.fromEntries(faults.map(({ fault, times }) => [fault, times])))}`,
        );
    },
    judged: ({ standing, level, fault }) =>
      this.report({ t: 'trust', standing, level, ...(fault !== undefined && { fault }) }),
    answered: ({ build, finish, usage }, durationMs) => {
      const { promptTokens, completionTokens } = usage;
      const ms = Math.round(durationMs);
      const answered = {
        t: 'answered',
        build,
        finish,
        promptTokens,
        completionTokens,
        ms,
      } as const;
      if (this.isSupervised) this.report(answered);
      else console.log(lineOf(answered));
    },
  };

  report(report: WorkerReport): void {
    process.send?.(report);
  }

  /** Reports the state at once and then every second, and carries out the orders of the supervisor. */
  serve({ daemon, engine, door }: Serving): Disposable {
    if (process.env['DINF_PAUSED'] === '1') door.setPaused(true);
    const beat = () => {
      door.tick(Date.now());
      this.#pulse({ daemon, engine, door });
    };
    beat();
    const pulse = setInterval(beat, PULSE_MS);
    let fault = engine.fault;
    // The engine may be started again before the next pulse; the owner must see its end nevertheless.
    engine.onChange(() => {
      if (engine.fault !== fault) this.#pulse({ daemon, engine, door });
      fault = engine.fault;
    });
    const receive = (order: unknown) => {
      if (!isWorkerOrder(order)) return;
      if (order.t === 'add') void this.#add(order.model, engine);
      else if (order.t === 'switch') engine.switchTo?.(order.build);
      else if (order.t === 'load') engine.load(order.build);
      else if (order.t === 'note') daemon.note(order.fault);
      else door.setPaused(order.t === 'pause');
    };
    process.on('message', receive);
    return {
      [Symbol.dispose]: () => {
        clearInterval(pulse);
        process.off('message', receive);
      },
    };
  }

  async #add(model: string, engine: Engine): Promise<void> {
    try {
      if (engine.add === undefined)
        throw new Error(`The engine ${engine.name} serves the models of its start only.`);
      const build = await engine.add(modelFolderOf(model));
      this.report({ t: 'added', model, build });
    } catch (error) {
      this.report({ t: 'not_added', model, why: messageOf(error) });
    }
  }

  #pulse({ daemon: { running, linkFault }, engine, door }: Serving): void {
    this.report({
      t: 'pulse',
      running,
      models: engine.slots().map(({ build, state, running: answering, waiting }) => {
        const bytes = engine.memory?.byBuild[build];
        return { build, state, running: answering, waiting, ...(bytes !== undefined && { bytes }) };
      }),
      ...(engine.memory !== undefined && { memoryBytes: engine.memory.totalBytes }),
      ...(engine.storedPrefixes && { prefixes: reportedPrefixes(engine.storedPrefixes) }),
      ...(linkFault !== undefined && { linkFault }),
      ...(engine.fault !== undefined && { engineFault: engine.fault }),
      ...(door.closed !== undefined && { closed: door.closed }),
      ...(door.notes.length > 0 && { notes: door.notes }),
    });
  }
}

const reportedPrefixes = ({ bytes, grantedBytes, pagesRead }: PrefixStoreFigures) => ({
  bytes,
  grantedBytes,
  tokensRead: pagesRead * PAGE_TOKENS,
});
