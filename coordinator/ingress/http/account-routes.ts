import { type Static, Type } from 'typebox';
import {
  ModelName,
  ProviderId,
  Standing,
  services,
  TrustLevel,
  trustFaultTexts,
} from '#bus-schemas';
import { requirementsOf } from '#coordinator/model-requirements.ts';
import { ApiError } from '#http-api/errors.ts';
import { accountRefusals, refusalError, settlementRefusals } from '#http-api/refusals.ts';
import type { CatalogCache } from '../catalog-cache.ts';
import type { GuessLimiter } from '../limits/guess-limiter.ts';
import {
  type Api,
  asTime,
  LIST,
  listOf,
  MicroUsd,
  optional,
  orNull,
  strict,
  timeOf,
  When,
} from './api.ts';
import { callerOf } from './authenticate.ts';

const Code = Type.String({ minLength: 4, maxLength: 64, pattern: '^[A-Za-z0-9_-]+$' });
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

interface AccountDeps {
  readonly catalog: CatalogCache;
  readonly guesses: GuessLimiter;
}

/** Routes of a person: their account, machines, invites and referrals. */
export function addAccountRoutes(api: Api, { catalog, guesses }: AccountDeps): void {
  api.route({
    method: 'GET',
    url: '/v1/me',
    group: 'Account',
    access: 'user',
    summary: 'Your account and balance',
    reply: Type.Object({
      user: Type.String(),
      account: Type.String(),
      available_micro_usd: MicroUsd,
      withdrawable_micro_usd: MicroUsd,
      earned_micro_usd: MicroUsd,
      machines: Type.Integer(),
    }),
    handle: async ({ request }) => {
      const { account, user = '' } = callerOf(request);
      const [balance, earnings, { machines }] = await Promise.all([
        api.ask(services.settlement.balance, { account }),
        api.ask(services.settlement.earnings, { account }),
        api.ask(services.trust.machines, { account }),
      ]);
      return {
        user,
        account,
        available_micro_usd: balance.availableMicroUsd,
        withdrawable_micro_usd: balance.withdrawableMicroUsd,
        earned_micro_usd: earnings.lifetimeMicroUsd,
        machines: machines.filter(({ revokedAt }) => revokedAt === undefined).length,
      };
    },
  });
  api.route({
    method: 'GET',
    url: '/v1/me/changes',
    group: 'Account',
    access: 'user',
    summary: 'Changes of your account, newest first',
    description:
      'The list has changes of keys, machines, prices, codes and withdrawals, each with its outcome. It does not include changes by operators.',
    query: Type.Object(
      { before: optional(When), limit: optional(Type.Integer({ minimum: 1, maximum: 1_000 })) },
      strict,
    ),
    reply: listOf(
      Type.Object({
        at: Type.String(),
        action: Type.String(),
        subject: Type.String(),
        detail: Type.String(),
        outcome: Type.String(),
      }),
    ),
    handle: async ({ request, query }) => {
      const before = timeOf(query.before, 'before');
      const { account } = callerOf(request);
      const asked = {
        operator: account,
        limit: query.limit ?? 100,
        ...(before !== undefined && { before }),
      };
      const { rows } = await api.ask(services.accounts.listAudit, asked);
      return { object: LIST, data: rows.map(({ at, ...row }) => ({ ...row, at: asTime(at) })) };
    },
  });
  const Slot = Type.Object({
    build: Type.String(),
    running: Type.Integer(),
    serves: Type.Boolean({ description: 'A short request would be served now.' }),
    because: Type.String({ description: 'The reason, and what would change it.' }),
  });
  const lifetimesOf = async (providers: string[]) => {
    const lifetimes = new Map<string, Static<typeof MachineRecord>>();
    const asked = providers.slice(0, services.MAX_RECORDS);
    if (asked.length === 0) return lifetimes;
    const { records } = await api.ask(services.routing.records, { providers: asked });
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
          chip: orNull(Type.String()),
          trust: Type.Object({
            standing: Standing,
            level: TrustLevel,
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
      const lifetimes = await lifetimesOf(machines.map(({ provider }) => provider));
      const explained = await api.ask(services.routing.explain, {
        ...SHORT_REQUEST,
        providers: machines.map(({ provider }) => provider),
        ...requirementsOf(
          (await catalog.all()).flatMap(([name, model]) => (name === model.id ? [model] : [])),
        ),
      });
      const data = machines.map(
        ({
          provider,
          name,
          enrolledAt,
          revokedAt,
          standing = 'pending',
          level = 'none',
          fault,
        }) => {
          const slots = explained.slots.filter((slot) => slot.provider === provider);
          return {
            id: provider,
            name,
            enrolled_at: asTime(enrolledAt),
            revoked_at: revokedAt === undefined ? null : asTime(revokedAt),
            online: slots.some(({ gate }) => gate !== 'silent'),
            chip: slots[0]?.chip ?? null,
            trust: {
              standing,
              level,
              because: fault === undefined ? null : trustFaultTexts[fault],
            },
            record: lifetimes.get(provider) ?? null,
            slots: slots.map(({ build, load, gate, because }) => ({
              build,
              running: load,
              serves: gate === undefined || gate === 'probation',
              because,
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
  addCodeRoutes(api, guesses);
}

function addCodeRoutes(api: Api, guesses: GuessLimiter): void {
  api.route({
    method: 'POST',
    url: '/v1/invites/redeem',
    group: 'Account',
    access: 'user',
    summary: 'Redeem an invite for credit',
    audit: 'redeem-invite',
    isBodySecret: true,
    body: Type.Object({ code: Code }, strict),
    reply: Type.Object({ credited_micro_usd: MicroUsd, available_micro_usd: MicroUsd }),
    example: { body: { code: 'welcome-2026' } },
    handle: async ({ request, body }) => {
      const { account } = callerOf(request);
      const guesser = { address: request.ip, account };
      const redeemed = await guesses.guess(guesser, () =>
        api.ask(services.accounts.redeemInvite, { code: body.code, account }),
      );
      if (!redeemed.ok) throw refusalError(accountRefusals.redeemInvite[redeemed.code]);
      // The operation is named by invite and account. If the process ends before the credit, the
      // person repeats the call; the ledger never credits one operation twice.
      const credit = {
        account,
        amountMicroUsd: redeemed.creditMicroUsd,
        operation: `invite:${body.code}:${account}`,
      };
      const credited = await api.ask(services.settlement.credit, credit);
      if (!credited.ok) throw new ApiError('conflict');
      return {
        credited_micro_usd: redeemed.creditMicroUsd,
        available_micro_usd: credited.availableMicroUsd,
      };
    },
  });
  api.route({
    method: 'GET',
    url: '/v1/referral',
    group: 'Account',
    access: 'user',
    summary: 'Your referral code and the accounts that used it',
    reply: Type.Object({
      code: orNull(Type.String()),
      referred: Type.Integer(),
      referred_by_somebody: Type.Boolean(),
    }),
    handle: async ({ request }) => {
      const { code, referred, referrer } = await api.ask(services.accounts.referral, {
        account: callerOf(request).account,
      });
      return { code: code ?? null, referred, referred_by_somebody: referrer !== undefined };
    },
  });
  api.route({
    method: 'PUT',
    url: '/v1/referral',
    group: 'Account',
    access: 'user',
    summary: 'Choose your referral code',
    audit: 'set-referral-code',
    body: Type.Object({ code: Code }, strict),
    reply: Type.Object({ code: Type.String() }),
    example: { body: { code: 'my-studio' } },
    handle: async ({ request, body }) => {
      const set = await api.ask(services.accounts.setReferralCode, {
        account: callerOf(request).account,
        code: body.code,
      });
      if (!set.ok)
        throw new ApiError('conflict', 'Another account has this code.', { param: 'code' });
      return { code: body.code };
    },
  });
  api.route({
    method: 'POST',
    url: '/v1/referral/apply',
    group: 'Account',
    access: 'user',
    summary: 'Name your referrer',
    audit: 'apply-referral',
    description:
      'This can be done once and cannot be changed. The referrer gets a part of the fee on your spending; you do not pay more.',
    body: Type.Object({ code: Code }, strict),
    reply: Type.Object({ applied: Type.Boolean() }),
    example: { body: { code: 'my-studio' } },
    handle: async ({ request, body }) => {
      const { account } = callerOf(request);
      const guesser = { address: request.ip, account };
      const applied = await guesses.guess(guesser, () =>
        api.ask(services.accounts.applyReferral, { account, code: body.code }),
      );
      if (!applied.ok) throw refusalError(accountRefusals.applyReferral[applied.code]);
      await api.ask(services.settlement.setReferrer, { account, referrer: applied.referrer });
      return { applied: true };
    },
  });
}
