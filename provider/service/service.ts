import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { DesiredError } from '../desired/desired-error.ts';
import type { DesiredWatch } from '../desired/desired-watch.ts';
import { noteTexts } from '../reasons.ts';
import type { UpdateWatch } from '../updates/update-watch.ts';
import {
  API_VERSION,
  type ControlOperation,
  type OperationKind,
  SOCKET_NAME,
  type State,
} from './control-api.ts';
import { serveControl } from './control-server.ts';
import { demandReason } from './demand-reason.ts';
import { type Hour, IdleLog, idleHours } from './idle-hours.ts';
import type { MachineState } from './machine-state.ts';
import { modelsWithFirst, switchModelTo } from './model-to-switch-to.ts';
import { recentDemand, sentenceOf } from './sentence.ts';
import { readSettings, saveSettings } from './settings.ts';
import type { Supervisor } from './supervisor.ts';

export interface ServiceOptions {
  readonly home: string;
  readonly version: string;
  readonly supervisor: Supervisor;
  /** What the owner should know about updates, and how they come to this machine. */
  readonly updates: Pick<UpdateWatch, 'note' | 'plan'>;
  /** Shows and fetches the builds that the network wants. */
  readonly desired: Pick<DesiredWatch, 'shown' | 'accept'>;
  /** Called if the file with the reasons of hours without an answer cannot be read or written. */
  readonly onFault: (error: unknown) => void;
}

/** Number of operations whose outcome can be asked for. */
const MAX_OPERATIONS = 32;

/** Offers the control API for a supervisor, and keeps why hours pass without an answer. */
export async function serveMachine({
  home,
  version,
  supervisor,
  updates,
  desired,
  onFault,
}: ServiceOptions): Promise<AsyncDisposable> {
  await using started = new AsyncDisposableStack();
  const idle = started.use(
    await IdleLog.open({
      file: join(home, 'idle-hours.json'),
      state: () => supervisor.state,
      onFault,
    }),
  );
  const operations = new Map<string, ControlOperation>();
  const begin = (kind: OperationKind): ControlOperation => {
    const id = randomUUID();
    const started: ControlOperation = { id, kind, status: 'running', waiting_for: 0 };
    operations.set(id, started);
    const [oldest] = operations.keys();
    if (operations.size > MAX_OPERATIONS && oldest !== undefined) operations.delete(oldest);
    void (kind === 'stop' ? supervisor.stop() : supervisor.restart()).then(() =>
      operations.set(id, { ...started, status: 'done' }),
    );
    return started;
  };
  const control = await serveControl(join(home, SOCKET_NAME), {
    hello: {
      api: API_VERSION,
      version,
      pid: process.pid,
      home,
      started_at: new Date().toISOString(),
    },
    state: () => {
      const { note, plan } = updates;
      return {
        ...printedState(supervisor.state, idle.hours, Date.now()),
        ...(desired.shown.length > 0 && { wanted: desired.shown }),
        ...(note !== undefined && { update: note }),
        ...(plan !== undefined && { updates: plan }),
      };
    },
    events: supervisor.events,
    setPaused: async (isPaused) => {
      supervisor.setPaused(isPaused);
      const settings = await readSettings(home);
      if (settings !== undefined) await saveSettings(home, { ...settings, isPaused });
    },
    switchTo: async (model) => {
      const switched = await switchModelTo(supervisor, model);
      if ('fault' in switched) return switched.fault;
      const settings = await readSettings(home);
      if (settings !== undefined)
        await saveSettings(home, { ...settings, models: modelsWithFirst(settings.models, model) });
      return undefined;
    },
    accept: (build) => {
      try {
        desired.accept(build);
        return undefined;
      } catch (error) {
        if (error instanceof DesiredError) return error.message;
        throw error;
      }
    },
    begin,
    note: (fault) => supervisor.note(fault),
    operation: (id) => {
      const operation = operations.get(id);
      return operation && { ...operation, waiting_for: supervisor.state.running };
    },
  });
  started.use(control);
  return started.move();
}

const iso = (time: number): string => new Date(time).toISOString();

/** The state as the control API states it. */
export function printedState(state: MachineState, hours: readonly Hour[], now: number): State {
  const { phase, since, provider, coordinator, engine, running, models, trust, link } = state;
  const { approval, answers, down, reason, notes, reported } = state;
  const demand = recentDemand(state, now);
  const noRequest = demand && demandReason(demand);
  return {
    phase,
    sentence: sentenceOf(state, now),
    since: iso(since),
    ...(reason !== undefined && { reason }),
    ...(notes.length > 0 && { notes: notes.map((code) => ({ code, text: noteTexts[code] })) }),
    ...(provider !== undefined && { provider }),
    ...(coordinator !== undefined && { coordinator }),
    ...(engine !== undefined && { engine }),
    running,
    models: [...models],
    ...(state.memoryBytes !== undefined && { memory_bytes: state.memoryBytes }),
    ...(state.prefixes && {
      prefix_disk: {
        bytes: state.prefixes.bytes,
        written_today_bytes: state.prefixes.grantedBytes,
        tokens_read: state.prefixes.tokensRead,
      },
    }),
    ...(trust && {
      trust: {
        standing: trust.standing,
        level: trust.level,
        ...(trust.fault !== undefined && { fault: trust.fault }),
      },
    }),
    ...(link && {
      link: { since: iso(link.since), ...(link.fault !== undefined && { fault: link.fault }) },
    }),
    ...(approval && { approval }),
    answers: {
      total: answers.total,
      tokens: answers.tokens,
      ...(answers.lastAt !== undefined && { last_at: iso(answers.lastAt) }),
      by_build: answers.byBuild,
    },
    ...(demand !== undefined && { demand }),
    ...(noRequest !== undefined && { no_request: { ...noRequest } }),
    idle_hours: idleHours(hours, now).map(({ start, ...why }) => ({ hour: iso(start), ...why })),
    ...(reported !== undefined && {
      reported: { last_at: iso(reported.lastAt), times: { ...reported.times } },
    }),
    failures: down?.failures ?? 0,
    ...(down?.nextStartAt !== undefined && { next_start_at: iso(down.nextStartAt) }),
  };
}
