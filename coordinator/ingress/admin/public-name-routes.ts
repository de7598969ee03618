import { ProviderId, PublicName, services } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import { ApiError } from '#http-api/errors.ts';
import { optional, strict } from '../http/api.ts';
import type { AdminApi } from './admin-api.ts';
import { Reason } from './reason.ts';

/** Routes for the names that machines have on the public leaderboard. */
export function addPublicNameRoutes(admin: AdminApi): void {
  admin.read({
    url: '/admin/public-names',
    summary: 'The public names of machines, and those that were withdrawn',
    description:
      'A withdrawn name is shown as names are compared: in small letters and digits, without separators, with characters that look alike replaced.',
    reply: Type.Object({
      shown: Type.Array(Type.Object({ name: PublicName, provider: ProviderId })),
      withdrawn: Type.Array(Type.Object({ compared_as: Type.String(), provider: ProviderId })),
    }),
    handle: async () => {
      const [shown, withdrawn] = await Promise.all([
        admin.ask(services.trust.publicNames, {}),
        admin.ask(services.trust.withdrawnNames, {}),
      ]);
      return {
        shown: shown.machines,
        withdrawn: withdrawn.machines.map(({ provider, shape }) => ({
          provider,
          compared_as: shape,
        })),
      };
    },
  });
  admin.change('withdraw-name', {
    method: 'POST',
    url: '/admin/public-names/withdraw',
    summary: 'Take the public name of a machine off the leaderboard',
    description:
      'For names that are offensive or pretend to be another machine. Upper and lower case, separators and characters that look alike do not matter. The machines of its account take no other name until this is allowed.',
    body: Type.Object({ name: PublicName, reason: optional(Reason) }, strict),
    reply: Type.Object({ provider: ProviderId }),
    example: { body: { name: 'Kitchen Mac', reason: 'pretends to be another machine' } },
    handle: async ({ body }) => {
      const { provider } = await admin.ask(services.trust.withdrawName, body);
      if (provider === undefined) throw new ApiError('not_found', 'No machine has this name.');
      return { provider };
    },
  });
  admin.change('allow-name', {
    method: 'POST',
    url: '/admin/providers/:id/allow-name',
    summary: 'Let the owner of a machine whose name was withdrawn take names again',
    params: Type.Object({ id: ProviderId }),
    reply: Type.Object({ done: Type.Boolean() }),
    handle: async ({ params }) => {
      const { known } = await admin.ask(services.trust.allowName, { provider: params.id });
      if (!known) throw new ApiError('not_found', 'There is no such provider.');
      return { done: true };
    },
  });
}
