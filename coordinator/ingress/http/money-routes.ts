import {
  type AccountStatement,
  type AccountUsage,
  KeyId,
  type MessageOf,
  services,
} from '#bus-schemas';
import { type Static, Type } from '#bus-schemas/type.ts';
import { ApiError } from '#http-api/errors.ts';
import { type Api, asTime, MicroUsd, optional, orNull, strict, When } from './api.ts';
import { type Caller, callerOf } from './authenticate.ts';
import {
  CSV_HELP,
  type MoneyPage,
  moneyPageOf,
  PageQuery,
  periodOf,
  sendRows,
} from './money-pages.ts';
import { addPricingRoute, type PricingDeps } from './pricing-route.ts';

const UsageRow = Type.Object({
  job_id: Type.String(),
  at: Type.String(),
  key: Type.String(),
  model: Type.String(),
  provider: orNull(Type.String()),
  outcome: Type.Enum(['settled', 'refunded', 'void']),
  prompt_tokens: Type.Integer(),
  cached_tokens: Type.Integer(),
  completion_tokens: Type.Integer(),
  cost_micro_usd: MicroUsd,
});
const StatementRow = Type.Object({
  at: Type.String(),
  kind: Type.String(),
  reference: Type.String(),
  amount_micro_usd: MicroUsd,
  model: orNull(Type.String()),
  key: orNull(Type.String()),
  prompt_tokens: orNull(Type.Integer()),
  completion_tokens: orNull(Type.Integer()),
  note: orNull(
    Type.String({ description: 'Why a credit or a reward was given, if its giver says so.' }),
  ),
  promotional_micro_usd: Type.Integer({
    description: 'The part of the amount that is promotional credit, in millionths of a US dollar.',
  }),
});
const Maturing = Type.Object(
  { at: Type.String(), amount_micro_usd: MicroUsd },
  { description: 'Earned amounts, and the times at which they can be withdrawn.' },
);
/** Routes for the balance, the spending and the earnings of an account. */
export function addMoneyRoutes(api: Api, deps: PricingDeps): void {
  addPricingRoute(api, deps);
  api.route({
    method: 'GET',
    url: '/v1/balance',
    group: 'Money',
    access: 'keyOrUser',
    summary: 'The balance of the account',
    description:
      '`promotional_micro_usd` is credit that was granted: it is spent first and can never be withdrawn. `owed_micro_usd` is a debt: a payment was refunded or disputed after its credit was spent. An account that owes gets 402 `payment_owed` and cannot withdraw until it has bought or earned as much.',
    reply: Type.Object({
      available_micro_usd: MicroUsd,
      held_micro_usd: MicroUsd,
      promotional_micro_usd: MicroUsd,
      owed_micro_usd: MicroUsd,
      withdrawable_micro_usd: MicroUsd,
      maturing: Type.Array(Maturing),
    }),
    handle: async ({ request }) => {
      const { account } = callerOf(request);
      return balanceAnswer(await api.ask(services.settlement.balance, { account }));
    },
  });
  api.route({
    method: 'GET',
    url: '/v1/usage',
    group: 'Money',
    access: 'keyOrUser',
    summary: 'Requests and their cost, newest first',
    description: `A person gets the whole account; an API key gets only its own requests. With \`model\`, a page looks through a limited number of requests, so it may have fewer rows than \`limit\`, or none, and still name a \`next\` one. ${CSV_HELP}`,
    query: Type.Object(
      { ...PageQuery, key: optional(KeyId), model: optional(Type.String({ maxLength: 128 })) },
      strict,
    ),
    reply: moneyPageOf(UsageRow),
    sendsCsv: true,
    example: { path: '/v1/usage?model=sim-llama-8b&limit=20' },
    handle: async ({ request, query, reply }) => {
      const { from, until, model } = query;
      const { account } = callerOf(request);
      const key = ownKey(callerOf(request), query.key);
      const pageAfter = async (
        after: string | undefined,
        limit: number,
      ): Promise<MoneyPage<Static<typeof UsageRow>>> => {
        const page = await api.ask(services.settlement.usage, {
          account,
          limit,
          ...periodOf(from, until),
          ...(after !== undefined && { after }),
          ...(key !== undefined && { key }),
          ...(model !== undefined && { model }),
        });
        const { jobs, next, onlineSince } = page;
        return { data: jobs.map(usageRow), next, onlineSince };
      };
      return sendRows(reply, {
        columns: Object.keys(UsageRow.properties),
        query,
        pageAfter,
      });
    },
  });
  api.route({
    method: 'GET',
    url: '/v1/statement',
    group: 'Money',
    access: 'user',
    summary: 'Every change of the balance, oldest first',
    description: CSV_HELP,
    query: Type.Object(PageQuery, strict),
    reply: moneyPageOf(StatementRow),
    sendsCsv: true,
    handle: async ({ request, query, reply }) => {
      const { from, until } = query;
      const { account } = callerOf(request);
      const pageAfter = async (
        after: string | undefined,
        limit: number,
      ): Promise<MoneyPage<Static<typeof StatementRow>>> => {
        const asked = {
          account,
          limit,
          ...periodOf(from, until),
          ...(after !== undefined && { after }),
        };
        const { lines, next, onlineSince } = await api.ask(services.settlement.statement, asked);
        return { data: lines.map(statementRow), next, onlineSince };
      };
      return sendRows(reply, {
        columns: Object.keys(StatementRow.properties),
        query,
        pageAfter,
      });
    },
  });
  api.route({
    method: 'GET',
    url: '/v1/earnings',
    group: 'Money',
    access: 'user',
    summary: 'Earnings of your machines and referrals',
    query: Type.Object({ from: optional(When), until: optional(When) }, strict),
    reply: Type.Object({
      lifetime_micro_usd: MicroUsd,
      data: Type.Array(
        Type.Object({
          source: Type.String(),
          jobs: Type.Integer(),
          prompt_tokens: Type.Integer(),
          completion_tokens: Type.Integer(),
          amount_micro_usd: MicroUsd,
        }),
      ),
    }),
    handle: async ({ request, query }) => {
      const earnings = await api.ask(services.settlement.earnings, {
        account: callerOf(request).account,
        ...periodOf(query.from, query.until),
      });
      return {
        lifetime_micro_usd: earnings.lifetimeMicroUsd,
        data: earnings.sources.map(
          ({ source, jobs, promptTokens, completionTokens, amountMicroUsd }) => ({
            source,
            jobs,
            prompt_tokens: promptTokens,
            completion_tokens: completionTokens,
            amount_micro_usd: amountMicroUsd,
          }),
        ),
      };
    },
  });
}

/** An API key may read only its own usage: otherwise a leaked key would show the whole account. */
function ownKey({ key }: Caller, wanted: string | undefined): string | undefined {
  if (key === undefined) return wanted;
  if (wanted !== undefined && wanted !== key.key) throw new ApiError('user_required');
  return key.key;
}

export function balanceAnswer(balance: MessageOf<typeof services.settlement.balance.reply>) {
  return {
    available_micro_usd: balance.availableMicroUsd,
    held_micro_usd: balance.heldMicroUsd,
    promotional_micro_usd: balance.promotionalMicroUsd ?? 0,
    owed_micro_usd: balance.owedMicroUsd ?? 0,
    withdrawable_micro_usd: balance.withdrawableMicroUsd,
    maturing: (balance.maturing ?? []).map(({ at, amountMicroUsd }) => ({
      at: asTime(at),
      amount_micro_usd: amountMicroUsd,
    })),
  };
}

function usageRow({
  job,
  at,
  key,
  model,
  provider,
  outcome,
  promptTokens,
  cachedTokens,
  completionTokens,
  chargedMicroUsd,
}: AccountUsage['jobs'][number]) {
  return {
    job_id: job,
    at: asTime(at),
    key,
    model,
    provider: provider ?? null,
    outcome,
    prompt_tokens: promptTokens,
    cached_tokens: cachedTokens,
    completion_tokens: completionTokens,
    cost_micro_usd: chargedMicroUsd,
  };
}

export function statementRow(line: AccountStatement['lines'][number]) {
  const {
    at,
    kind,
    reference,
    amountMicroUsd,
    promotionalMicroUsd,
    note,
    model,
    key,
    promptTokens,
    completionTokens,
  } = line;
  return {
    at: asTime(at),
    kind,
    reference,
    amount_micro_usd: amountMicroUsd,
    model: model ?? null,
    key: key ?? null,
    prompt_tokens: promptTokens ?? null,
    completion_tokens: completionTokens ?? null,
    note: note ?? null,
    promotional_micro_usd: promotionalMicroUsd ?? 0,
  };
}
