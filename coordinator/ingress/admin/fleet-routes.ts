import { ProviderId, ROUTING_SWITCHES, services } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import { ApiError } from '#http-api/errors.ts';
import { LIST, listOf, strict } from '../http/api.ts';
import type { AdminApi } from './admin-api.ts';

const ById = Type.Object({ id: ProviderId });
const Done = Type.Object({ done: Type.Boolean() });
const DONE = { done: true };
const Switches = Type.Object({
  affinity: Type.Boolean({
    description: 'A conversation prefers the machine that has read its beginning.',
  }),
  warm_pool: Type.Boolean({ description: 'Machines are ordered to load models by demand.' }),
});

/** Routes for machines, and for the parts of routing that can be switched off. */
export function addFleetRoutes(admin: AdminApi): void {
  admin.read({
    url: '/admin/fleet',
    summary: 'All providers in the fleet of routing',
    reply: listOf(
      Type.Object({
        provider: Type.String(),
        build: Type.String(),
        state: Type.String(),
        chip: Type.String(),
        simulated: Type.Boolean(),
        running: Type.Integer(),
        pending: Type.Integer(),
      }),
    ),
    handle: async () => ({
      object: LIST,
      data: (await admin.ask(services.routing.fleet, {})).providers,
    }),
  });
  const drain = async (provider: string, isDrained: boolean) => {
    const { known } = await admin.ask(services.trust.drain, { provider, isDrained });
    if (!known) throw new ApiError('not_found', 'There is no such provider.');
    return DONE;
  };
  admin.change('drain-provider', {
    method: 'POST',
    url: '/admin/providers/:id/drain',
    summary: 'Give a machine no new requests',
    description:
      'It finishes the requests that it has. The state is stored: it lasts until it is ended, also over restarts.',
    params: ById,
    reply: Done,
    handle: ({ params }) => drain(params.id, true),
  });
  admin.change('resume-provider', {
    method: 'POST',
    url: '/admin/providers/:id/resume',
    summary: 'Give a machine requests again',
    params: ById,
    reply: Done,
    handle: ({ params }) => drain(params.id, false),
  });
  admin.change('revoke-provider', {
    method: 'DELETE',
    url: '/admin/providers/:id',
    summary: 'Remove a machine from the network permanently',
    params: ById,
    reply: Done,
    handle: async ({ params }) => {
      const { revoked } = await admin.ask(services.trust.revoke, { provider: params.id });
      if (!revoked) throw new ApiError('not_found', 'There is no such provider.');
      return DONE;
    },
  });
  admin.read({
    url: '/admin/routing/switches',
    summary: 'The parts of routing that can be switched off, and whether each is on',
    reply: Switches,
    handle: () => admin.ask(services.routing.switches, {}),
  });
  admin.change('set-switch', {
    method: 'PUT',
    url: '/admin/routing/switches/:name',
    summary: 'Switch a part of routing on or off',
    description:
      'All routers apply the change within a second. It is stored, so that restarts keep it.',
    params: Type.Object({ name: Type.Enum(ROUTING_SWITCHES) }),
    body: Type.Object({ on: Type.Boolean() }, strict),
    reply: Switches,
    example: { path: '/admin/routing/switches/affinity', body: { on: false } },
    handle: ({ params, body }) =>
      admin.ask(services.routing.setSwitch, { name: params.name, isOn: body.on }),
  });
}
