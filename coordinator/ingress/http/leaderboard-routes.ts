import { ProviderId, PublicName, SERVED_DAYS, services } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import { LoadingCache } from '#coordinator/loading-cache.ts';
import { ApiError } from '#http-api/errors.ts';
import { refusalError, trustRefusals } from '#http-api/refusals.ts';
import { LISTED, leaderboard } from '../core/leaderboard.ts';
import { type Api, asTime, orNull, strict } from './api.ts';
import { callerOf } from './authenticate.ts';
import type { StatsDeps } from './stats-route.ts';

/**
 * Everyone may call this route, so its work happens at most once in this time. It is short, because
 * an owner who takes a machine off expects that caches follow.
 */
const CACHED_SECONDS = 30;

const ById = Type.Object({ id: ProviderId });
const Shown = Type.Object({ id: Type.String(), public_name: orNull(Type.String()) });

/** Routes of the public leaderboard, and of owners who put machines on it or take them off. */
export function addLeaderboardRoutes(
  api: Api,
  { now, clock }: Pick<StatsDeps, 'now' | 'clock'>,
): void {
  const board = new LoadingCache({
    load: async () => {
      const at = now();
      const { machines } = await api.ask(services.trust.publicNames, {});
      const providers = machines.map(({ provider }) => provider);
      const served = await api.ask(services.settlement.servedTokens, { providers });
      return { at, rows: leaderboard(machines, served.machines) };
    },
    ttlMs: CACHED_SECONDS * 1_000,
    maximum: 1,
    now: clock,
  });
  api.route({
    method: 'GET',
    url: '/v1/leaderboard',
    group: 'Models',
    access: 'public',
    summary: 'The machines whose owners show them, by answer tokens',
    description: `The first ${LISTED} machines that their owners put on the leaderboard, by the answer tokens of paid requests in the last ${SERVED_DAYS} days. Counts are rounded to two digits, and machines with fewer than ten requests are left out. The answer is at most ${CACHED_SECONDS} seconds old.`,
    reply: Type.Object({
      object: Type.Literal('leaderboard'),
      updated_at: Type.String(),
      machines: Type.Array(
        Type.Object({ name: Type.String(), requests: Type.Integer(), tokens: Type.Integer() }),
      ),
    }),
    handle: async ({ reply }) => {
      const { at, rows } = await board.get('');
      reply.header('cache-control', `public, max-age=${CACHED_SECONDS}`);
      return { object: 'leaderboard' as const, updated_at: asTime(at), machines: rows };
    },
  });
  api.route({
    method: 'PUT',
    url: '/v1/me/providers/:id/public-name',
    group: 'Account',
    access: 'user',
    summary: 'Show one of your machines on the public leaderboard',
    description:
      'The name consists of 2 to 40 letters (A–Z), digits, and single spaces, hyphens, dots or underscores between them. A name that could be mistaken for that of another machine is refused. Only the name and its requests and tokens are shown.',
    audit: 'show-name',
    params: ById,
    body: Type.Object({ name: PublicName }, strict),
    reply: Shown,
    example: { body: { name: 'Kitchen Mac' } },
    handle: async ({ request, params, body }) => {
      const { account } = callerOf(request);
      const machine = { provider: params.id, account };
      const shown = await api.ask(services.trust.showName, { ...machine, name: body.name });
      if (!shown.ok) throw refusalError(trustRefusals.showName[shown.code]);
      board.clear();
      return { id: params.id, public_name: body.name };
    },
  });
  api.route({
    method: 'DELETE',
    url: '/v1/me/providers/:id/public-name',
    group: 'Account',
    access: 'user',
    summary: 'Take one of your machines off the public leaderboard',
    description: `It is removed at once; answers in caches and other ingresses end after at most ${2 * CACHED_SECONDS} seconds. No machine of another account can take the name while yours is linked.`,
    audit: 'hide-name',
    params: ById,
    reply: Shown,
    handle: async ({ request, params }) => {
      const { account } = callerOf(request);
      const { known } = await api.ask(services.trust.hideName, { provider: params.id, account });
      if (!known) throw new ApiError('not_found', 'You have no such machine.');
      board.clear();
      return { id: params.id, public_name: null };
    },
  });
}
