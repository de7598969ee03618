import {
  gates,
  ModelName,
  ProviderId,
  Standing,
  services,
  TrustFault,
  TrustLevel,
  trustFaultTexts,
} from '#bus-schemas';
import { type Static, Type } from '#bus-schemas/type.ts';
import { requirementsOf } from '#coordinator/model-requirements.ts';
import { ApiError } from '#http-api/errors.ts';
import { refusalError, settlementRefusals } from '#http-api/refusals.ts';
import type { CatalogCache } from '../catalog-cache.ts';
import { type Api, asTime, LIST, optional, orNull, strict, When } from './api.ts';
import { callerOf } from './authenticate.ts';

/**
 * $1,000 per million tokens, in micro-dollars. It is more than any model costs, so an amount in the
 * wrong unit is refused. It protects owners from mistakes. Callers are protected by the listed
 * price, which is their limit unless they accept more.
 */
const HIGHEST_PRICE = 1_000_000_000;
const Price = Type.Integer({
  minimum: 0,
  maximum: HIGHEST_PRICE,
  description: 'Millionths of a US dollar for a million tokens.',
});

/** A request of usual size: a machine that cannot serve this one cannot serve any. */
const SHORT_REQUEST = { promptTokens: 500, maxOutputTokens: 500 };

/** Machines in one question to routing, whose answer has at most 1,000 slots. */
const EXPLAINED_MACHINES = 100;

const Count = Type.Integer({ minimum: 0 });
/** Counts since the machine joined the network. They do not change the work that it gets. */
const MachineRecord = Type.Object({
  first_seen_at: When,
  completed: Count,
  failed: Type.Integer({ minimum: 0, description: 'Attempts that failed through its fault.' }),
  refused: Type.Integer({
    minimum: 0,
    description: 'Attempts that it refused although it had reported free room.',
  }),
  blamed_on_client: Type.Integer({
    minimum: 0,
    description: 'Attempts that it refused with the statement that the request is at fault.',
  }),
  tokens: Count,
});

/** Routes of a person for their machines: state, removal, and prices. */
export function addOwnMachineRoutes(api: Api, catalog: CatalogCache): void {
  const Slot = Type.Object({
    build: Type.String(),
    running: Type.Integer(),
    serves: Type.Boolean({ description: 'A short request would be served now.' }),
    because: Type.String({ description: 'The reason, and what would change it.' }),
    gate: orNull(Type.String({ description: 'The name of the reason; null if it could serve.' })),
    in_memory: Type.Boolean(),
    memory_bytes: orNull(
      Type.Integer({ description: 'What the model needs at least; null if it is unknown.' }),
    ),
  });
  const lifetimesOf = async (providers: readonly string[]) => {
    const lifetimes = new Map<string, Static<typeof MachineRecord>>();
    const replies = await Promise.all(
      inChunks(providers, services.MAX_RECORDS).map((asked) =>
        api.ask(services.routing.records, { providers: asked }),
      ),
    );
    const records = replies.flatMap((reply) => reply.records);
    for (const { provider, lifetime } of records)
      if (lifetime !== undefined)
        lifetimes.set(provider, {
          first_seen_at: asTime(lifetime.firstSeenAt),
          completed: lifetime.served,
          failed: lifetime.failed,
          refused: lifetime.refused,
          blamed_on_client: lifetime.blamed,
          tokens: lifetime.tokens,
        });
    return lifetimes;
  };
  const slotsByMachine = async (providers: readonly string[]) => {
    const models = (await catalog.all()).flatMap(([name, model]) =>
      name === model.id ? [model] : [],
    );
    const question = { ...SHORT_REQUEST, ...requirementsOf(models) };
    const replies = await Promise.all(
      inChunks(providers, EXPLAINED_MACHINES).map((asked) =>
        api.ask(services.routing.explain, { ...question, providers: asked }),
      ),
    );
    return Map.groupBy(
      replies.flatMap(({ slots }) => slots),
      ({ provider }) => provider,
    );
  };
  api.route({
    method: 'GET',
    url: '/v1/me/providers',
    group: 'Account',
    access: 'user',
    summary: 'Your machines and their current state',
    reply: Type.Object({
      object: Type.Literal(LIST),
      data: Type.Array(
        Type.Object({
          id: ProviderId,
          name: Type.String(),
          enrolled_at: Type.String(),
          revoked_at: orNull(Type.String()),
          online: Type.Boolean(),
          public_name: orNull(
            Type.String({
              description: 'Its name on the public leaderboard; null if it is not shown.',
            }),
          ),
          chip: orNull(Type.String()),
          memory_bytes: orNull(
            Type.Integer({ description: 'Memory of the computer; null if it is not connected.' }),
          ),
          trust: Type.Object({
            standing: Standing,
            level: TrustLevel,
            fault: orNull(TrustFault),
            because: orNull(
              Type.String({
                description:
                  'The reason why the machine is not trusted, and what its owner can do.',
              }),
            ),
          }),
          record: orNull(MachineRecord),
          slots: Type.Array(Slot),
        }),
      ),
    }),
    handle: async ({ request }) => {
      const { account } = callerOf(request);
      const { machines } = await api.ask(services.trust.machines, { account });
      const providers = machines.map(({ provider }) => provider);
      const [lifetimes, slotsOf] = await Promise.all([
        lifetimesOf(providers),
        slotsByMachine(providers),
      ]);
      const data = machines.map(
        ({
          provider,
          name,
          enrolledAt,
          revokedAt,
          standing = 'pending',
          level = 'none',
          fault,
          publicName,
        }) => {
          const slots = slotsOf.get(provider) ?? [];
          return {
            id: provider,
            name,
            enrolled_at: asTime(enrolledAt),
            revoked_at: revokedAt === undefined ? null : asTime(revokedAt),
            public_name: publicName ?? null,
            online: slots.some(({ gate }) => gate !== 'silent'),
            chip: slots[0]?.chip ?? null,
            memory_bytes: bytesOf(slots[0]?.machineMemoryMb),
            trust: {
              standing,
              level,
              fault: fault ?? null,
              because: fault === undefined ? null : trustFaultTexts[fault],
            },
            record: lifetimes.get(provider) ?? null,
            slots: slots.map(({ build, load, gate, because, state, memoryMb }) => ({
              build,
              running: load,
              serves: gate === undefined || gate === 'probation',
              because,
              gate: gate ?? null,
              in_memory: state === 'resident',
              memory_bytes: bytesOf(memoryMb),
            })),
          };
        },
      );
      return { object: LIST, data };
    },
  });
  const owned = async (account: string, provider: string): Promise<void> => {
    const { machines } = await api.ask(services.trust.machines, { account });
    if (!machines.some((machine) => machine.provider === provider))
      throw new ApiError('not_found', 'You have no such machine.');
  };
  api.route({
    method: 'GET',
    url: '/v1/me/providers/:id/day',
    group: 'Account',
    access: 'user',
    summary: 'What one of your machines did in the last 24 hours',
    description:
      'Minutes of each hour in which the machine answered, waited for requests, or could not serve, and the gate that was closed for most of those. Minutes are missing in which it was not connected. After a router was killed, up to five more are missing.',
    params: Type.Object({ id: ProviderId }),
    reply: Type.Object({
      hours: Type.Array(
        Type.Object({
          at: Type.String(),
          serving_minutes: Count,
          idle_minutes: Count,
          blocked_minutes: Count,
          gate: orNull(Type.String()),
          because: orNull(Type.String({ description: 'The gate, and what would open it.' })),
        }),
      ),
    }),
    handle: async ({ request, params }) => {
      await owned(callerOf(request).account, params.id);
      const { hours } = await api.ask(services.routing.day, { provider: params.id });
      return {
        hours: hours.map(({ at, servingMinutes, idleMinutes, blockedMinutes, gate }) => ({
          at: asTime(at),
          serving_minutes: servingMinutes,
          idle_minutes: idleMinutes,
          blocked_minutes: blockedMinutes,
          gate: gate ?? null,
          because: (gates as Readonly<Record<string, { text: string }>>)[gate ?? '']?.text ?? null,
        })),
      };
    },
  });
  api.route({
    method: 'DELETE',
    url: '/v1/me/providers/:id',
    group: 'Account',
    access: 'user',
    summary: 'Remove a machine from the network permanently',
    audit: 'revoke-provider',
    params: Type.Object({ id: ProviderId }),
    reply: Type.Object({ id: Type.String(), revoked: Type.Boolean() }),
    handle: async ({ request, params }) => {
      await owned(callerOf(request).account, params.id);
      const { revoked } = await api.ask(services.trust.revoke, { provider: params.id });
      return { id: params.id, revoked };
    },
  });
  api.route({
    method: 'PUT',
    url: '/v1/me/providers/:id/prices',
    group: 'Account',
    access: 'user',
    summary: 'Set your own price for a model on your machine',
    description:
      'Only callers who accept a price above the listed one (`provider.max_price`) pay it; other callers are served by other machines.',
    audit: 'set-provider-price',
    params: Type.Object({ id: ProviderId }),
    body: Type.Object(
      {
        model: ModelName,
        input: Price,
        output: Price,
        cache_read: optional(Price),
      },
      strict,
    ),
    reply: Type.Object({
      model: Type.String(),
      effective_at: orNull(
        Type.String({
          description: 'A lower price is valid at once, a higher one after its notice period.',
        }),
      ),
    }),
    example: { body: { model: 'sim-llama-8b', input: 15_000, output: 40_000 } },
    handle: async ({ request, params, body }) => {
      await owned(callerOf(request).account, params.id);
      const { input, output, cache_read: cacheRead } = body;
      const offered = await catalog.model(body.model);
      if (offered === undefined)
        throw new ApiError('model_not_found', undefined, { param: 'model' });
      const { id: model } = offered;
      const price = {
        provider: params.id,
        model,
        inputMicroUsdPerMillion: input,
        outputMicroUsdPerMillion: output,
      };
      const set = await api.ask(services.settlement.setProviderPrice, {
        ...price,
        ...(cacheRead !== undefined && { cacheReadMicroUsdPerMillion: cacheRead }),
      });
      if (set.ok)
        return {
          model,
          effective_at: set.effectiveAt === undefined ? null : asTime(set.effectiveAt),
        };
      throw refusalError(settlementRefusals.setProviderPrice[set.code]);
    },
  });
}

const bytesOf = (megabytes: number | undefined): number | null =>
  megabytes === undefined ? null : megabytes * 1_000_000;

/** The items in lists of at most `size`. */
const inChunks = <Item>(items: readonly Item[], size: number): Item[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
