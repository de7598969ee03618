import { once } from 'node:events';
import { chmod, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { MACHINE_FAULTS, type MachineFault } from '#bus-schemas';
import { messageOf } from '#bus-schemas/message-of.ts';
import type { ControlOperation } from './control-api.ts';
import {
  type ControlHello,
  type Events,
  OPERATIONS,
  type OperationKind,
  paths,
  type State,
} from './control-api.ts';
import type { EventLog } from './event-log.ts';

export interface Controlled {
  readonly hello: ControlHello;
  readonly state: () => State;
  readonly events: EventLog;
  setPaused(isPaused: boolean): Promise<void>;
  /** Resolves with why the model cannot be loaded; undefined if it is loaded as soon as possible. */
  switchTo(model: string): Promise<string | undefined>;
  /** Begins to fetch a build that the network wants. Returns why not; undefined if it has begun. */
  accept(build: string): string | undefined;
  begin(kind: OperationKind): ControlOperation;
  /** Takes a fault that another program of the owner met. */
  note(fault: MachineFault): void;
  operation(id: string): ControlOperation | undefined;
}

const MAX_WAIT_MS = 60_000;

/** Serves the control API on a unix socket that only its owner can open. */
export async function serveControl(
  socketPath: string,
  controlled: Controlled,
): Promise<AsyncDisposable> {
  const server = createServer((request, response) => {
    void answer(request, controlled).then(
      ({ status, body }) => send(response, status, body),
      (error: unknown) => send(response, 500, { error: messageOf(error) }),
    );
  });
  // The caller holds the lock of the home, so a socket that exists belongs to no running service.
  await rm(socketPath, { force: true });
  const before = process.umask(0o177);
  server.listen(socketPath);
  process.umask(before);
  await once(server, 'listening');
  await chmod(socketPath, 0o600);
  return {
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

interface Reply {
  readonly status: number;
  readonly body: unknown;
}

async function answer(
  { method = 'GET', url = '/' }: IncomingMessage,
  controlled: Controlled,
): Promise<Reply> {
  const { pathname, searchParams } = new URL(url, 'http://control');
  const ok = (body: unknown): Reply => ({ status: 200, body });
  switch (`${method} ${pathname}`) {
    case `GET ${paths.hello}`:
      return ok(controlled.hello);
    case `GET ${paths.state}`:
      return ok(controlled.state());
    case `GET ${paths.events}`:
      return ok(await eventsAfter(controlled.events, searchParams));
    case `POST ${paths.pause}`:
    case `POST ${paths.resume}`:
      await controlled.setPaused(pathname === paths.pause);
      return ok(controlled.state());
    case `POST ${paths.switch}`: {
      const fault = await controlled.switchTo(searchParams.get('model') ?? '');
      return fault === undefined ? ok(controlled.state()) : { status: 400, body: { error: fault } };
    }
    case `POST ${paths.accept}`: {
      const fault = controlled.accept(searchParams.get('build') ?? '');
      return fault === undefined ? ok(controlled.state()) : { status: 400, body: { error: fault } };
    }
    case `POST ${paths.notes}`: {
      const fault = MACHINE_FAULTS.find((each) => each === searchParams.get('fault'));
      if (fault === undefined)
        return {
          status: 400,
          body: { error: `fault must be one of ${MACHINE_FAULTS.join(', ')}` },
        };
      controlled.note(fault);
      return ok({ noted: true });
    }
    case `POST ${paths.operations}`: {
      const kind = OPERATIONS.find((each) => each === searchParams.get('kind'));
      return kind === undefined
        ? { status: 400, body: { error: `kind must be one of ${OPERATIONS.join(', ')}` } }
        : ok(controlled.begin(kind));
    }
  }
  const operation = pathname.startsWith(`${paths.operations}/`)
    ? controlled.operation(pathname.slice(paths.operations.length + 1))
    : undefined;
  return method === 'GET' && operation !== undefined
    ? ok(operation)
    : { status: 404, body: { error: 'There is no such path.' } };
}

/** The events after `after`; with `wait_ms`, waits until there is one. */
async function eventsAfter(log: EventLog, query: URLSearchParams): Promise<Events> {
  const after = Number(query.get('after') ?? 0) || 0;
  const waitMs = Math.min(Number(query.get('wait_ms') ?? 0) || 0, MAX_WAIT_MS);
  if (waitMs > 0) await log.wait(after, waitMs);
  const events = log.after(after);
  return {
    events: events.map(({ at, ...event }) => ({ ...event, at: new Date(at).toISOString() })),
    next: log.lastId,
  };
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify(body));
}
