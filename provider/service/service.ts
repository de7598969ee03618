import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { noteTexts } from '../reasons.ts';
import {
  API_VERSION,
  type ControlOperation,
  type OperationKind,
  SOCKET_NAME,
  type State,
} from './control-api.ts';
import { serveControl } from './control-server.ts';
import { demandReason } from './demand-reason.ts';
import type { MachineState } from './machine-state.ts';
import { recentDemand, sentenceOf } from './sentence.ts';
import { readSettings, saveSettings } from './settings.ts';
import type { Supervisor } from './supervisor.ts';

export interface ServiceOptions {
  readonly home: string;
  readonly version: string;
  readonly supervisor: Supervisor;
}

/** Number of operations whose outcome can be asked for. */
const MAX_OPERATIONS = 32;

/** Offers the control API for a supervisor. */
export function serveMachine({
  home,
  version,
  supervisor,
}: ServiceOptions): Promise<AsyncDisposable> {
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
  return serveControl(join(home, SOCKET_NAME), {
    hello: {
      api: API_VERSION,
      version,
      pid: process.pid,
      home,
      started_at: new Date().toISOString(),
    },
    state: () => printed(supervisor.state, Date.now()),
    events: supervisor.events,
    setPaused: async (isPaused) => {
      supervisor.setPaused(isPaused);
      const settings = await readSettings(home);
      if (settings !== undefined) await saveSettings(home, { ...settings, isPaused });
    },
    begin,
    operation: (id) => {
      const operation = operations.get(id);
      return operation && { ...operation, waiting_for: supervisor.state.running };
    },
  });
}

const iso = (time: number): string => new Date(time).toISOString();

function printed(state: MachineState, now: number): State {
  const { phase, since, provider, coordinator, engine, running, models, trust, link } = state;
  const { approval, answers, down, reason, notes } = state;
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
    failures: down?.failures ?? 0,
    ...(down?.nextStartAt !== undefined && { next_start_at: iso(down.nextStartAt) }),
  };
}
