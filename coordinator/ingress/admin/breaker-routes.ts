import { BREAKER_STATES, services } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import type { Cells } from '#coordinator/cells/cells.ts';
import { asTime, orNull } from '../http/api.ts';
import type { AdminApi } from './admin-api.ts';

export interface BreakerRoutesDeps {
  readonly admin: AdminApi;
  readonly cells: Pick<Cells, 'history'>;
  readonly now: () => number;
}

/** The route of machines that get no jobs because of their faults, and of the states of cells. */
export function addBreakerRoutes({ admin, cells, now }: BreakerRoutesDeps): void {
  admin.read({
    url: '/admin/breakers',
    summary: 'Machines that get no requests because of their faults, and the cells',
    description:
      'A machine is `paused` after faults, then `tried` with one request, and `cooling` after a refusal. A cell that is `gone` has sent nothing for ten seconds; it is listed for a day.',
    reply: Type.Object({
      machines: Type.Array(
        Type.Object({
          provider: Type.String(),
          state: Type.Enum(BREAKER_STATES),
          since: orNull(Type.String({ description: 'Null if an older router stored it.' })),
          until: Type.String(),
          times: Type.Integer({
            description: 'Pauses since its last success, or refusals in a row.',
          }),
          because: orNull(Type.String({ description: 'The last fault or refusal.' })),
        }),
      ),
      cells: Type.Array(
        Type.Object({
          cell: Type.Integer(),
          state: Type.Enum(['serves', 'draining', 'gone']),
          since: Type.String({ description: 'As far as this ingress has seen it.' }),
          machines: Type.Integer(),
          queued: Type.Integer(),
          free_slots: Type.Integer(),
        }),
      ),
    }),
    handle: async () => {
      const { breakers } = await admin.ask(services.routing.breakers, {});
      const at = now();
      return {
        machines: breakers.map(({ provider, state, sinceMs, restMs, times, because }) => ({
          provider,
          state,
          since: sinceMs === undefined ? null : asTime(at - Math.round(sinceMs)),
          until: asTime(at + Math.round(restMs)),
          times,
          because: because ?? null,
        })),
        cells: cells.history().map(({ cell, state, forMs, digest }) => ({
          cell,
          state,
          since: asTime(at - Math.round(forMs)),
          machines: state === 'gone' ? 0 : digest.providers,
          queued: state === 'gone' ? 0 : digest.queued,
          free_slots:
            state === 'gone' ? 0 : digest.builds.reduce((sum, { freeSlots }) => sum + freeSlots, 0),
        })),
      };
    },
  });
}
