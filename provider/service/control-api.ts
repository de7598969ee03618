import { DemandOfBuilds } from '#bus-schemas';
import { type Static, Type } from '#bus-schemas/type.ts';

/**
 * The control API of a machine: HTTP with JSON over the unix socket `control.sock` in its home. The
 * command line uses it, and so may a menu-bar application. Only the user who runs the service can
 * open the socket (mode 0600).
 */

export const API_VERSION = 1;
export const SOCKET_NAME = 'control.sock';

const optional = Type.Optional;
const count = Type.Integer({ minimum: 0 });
const time = Type.String({ description: 'Time in ISO 8601.' });

export const ControlHello = Type.Object({
  api: Type.Literal(API_VERSION),
  version: Type.String(),
  pid: count,
  home: Type.String(),
  started_at: time,
});
export type ControlHello = Static<typeof ControlHello>;

export const State = Type.Object({
  phase: Type.String({
    description:
      'starting, waiting_for_approval, serving, engine_down, disconnected, unverified, untrusted, restarting, crash_loop, failed, paused, closed or stopping.',
  }),
  sentence: Type.String({ description: 'What the machine is doing and why, for its owner.' }),
  since: time,
  reason: optional(Type.String({ description: 'Why the machine does not serve, as a code.' })),
  notes: optional(
    Type.Array(Type.Object({ code: Type.String(), text: Type.String() }), {
      description: 'What the owner should know although the machine may serve.',
    }),
  ),
  provider: optional(Type.String({ description: 'Id of this machine in the network.' })),
  coordinator: optional(Type.String()),
  engine: optional(Type.String()),
  running: Type.Integer({ description: 'Requests that are being answered.' }),
  models: Type.Array(
    Type.Object({
      build: Type.String(),
      state: Type.String({ description: 'resident, loading, cold (only on the disk) or failed.' }),
      running: count,
      waiting: count,
      bytes: optional(
        Type.Integer({ description: 'Memory for its weights and its largest cache.' }),
      ),
    }),
  ),
  memory_bytes: optional(
    Type.Integer({
      description:
        'Memory for all models together. Absent if a model server decides which of its models are loaded.',
    }),
  ),
  prefix_disk: optional(
    Type.Object({
      bytes: Type.Integer({ description: 'Size of the encrypted pages of prompts on the disk.' }),
      written_today_bytes: Type.Integer({
        description: 'Bytes of the limit of this UTC day that are used.',
      }),
      tokens_read: Type.Integer({
        description:
          'Tokens of prompts that were read from the disk since the start of the engine.',
      }),
    }),
  ),
  trust: optional(
    Type.Object({
      standing: Type.String(),
      level: Type.String(),
      fault: optional(Type.String()),
    }),
  ),
  link: optional(Type.Object({ fault: optional(Type.String()), since: time })),
  approval: optional(Type.Object({ code: Type.String(), page: Type.String() })),
  answers: Type.Object({
    total: count,
    tokens: count,
    last_at: optional(time),
    by_build: Type.Record(
      Type.String(),
      Type.Object({
        total: count,
        tokens: count,
        ms: Type.Integer({ description: 'Time of the answers together, in milliseconds.' }),
      }),
    ),
  }),
  demand: optional(DemandOfBuilds),
  no_request: optional(
    Type.Object(
      { code: Type.String(), text: Type.String() },
      { description: 'Why the machine got no request in the last minute.' },
    ),
  ),
  idle_hours: optional(
    Type.Array(Type.Object({ hour: time, code: Type.String(), text: Type.String() }), {
      description:
        'The hours of the last 14 days in which no answer ended, each with the reason of most of its minutes.',
    }),
  ),
  wanted: optional(
    Type.Array(
      Type.Object({
        model: Type.String(),
        build: Type.String(),
        state: Type.Enum(['offered', 'fetching', 'failed']),
        text: Type.String(),
      }),
      { description: 'Builds that the network wants on this machine.' },
    ),
  ),
  update: optional(Type.String({ description: 'What the owner should know about updates.' })),
  updates: optional(
    Type.String({
      description: 'How newer versions come to this machine. Absent if it does not look for them.',
    }),
  ),
  reported: optional(
    Type.Object(
      { last_at: time, times: Type.Record(Type.String(), count) },
      {
        description:
          'Faults that the machine has reported to the operator since the start of the service, by kind.',
      },
    ),
  ),
  failures: Type.Integer({ description: 'Failures of the worker in a row.' }),
  next_start_at: optional(time),
});
export type State = Static<typeof State>;

export const Events = Type.Object({
  events: Type.Array(
    Type.Object({ id: count, at: time, kind: Type.String(), text: Type.String() }),
  ),
  next: Type.Integer({ description: 'Pass it as `after` to continue without a gap.' }),
});
export type Events = Static<typeof Events>;

export const OPERATIONS = ['restart', 'stop'] as const;
export type OperationKind = (typeof OPERATIONS)[number];

export const ControlOperation = Type.Object({
  id: Type.String(),
  kind: Type.Enum(OPERATIONS),
  status: Type.Enum(['running', 'done']),
  waiting_for: Type.Integer({ description: 'Requests that are still being answered.' }),
});
export type ControlOperation = Static<typeof ControlOperation>;

/** Why an order was not carried out. */
export const ControlFault = Type.Object({ error: Type.String() });

/** Answer to a fault that another program of the owner tells the machine. */
export const Noted = Type.Object({ noted: Type.Boolean() });

/** Paths of the API, below the socket. */
export const paths = {
  hello: '/v1/hello',
  state: '/v1/state',
  events: '/v1/events',
  pause: '/v1/pause',
  resume: '/v1/resume',
  switch: '/v1/switch',
  accept: '/v1/accept',
  operations: '/v1/operations',
  notes: '/v1/notes',
} as const;
