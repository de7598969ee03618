import { type Static, type TObject, type TSchema, Type } from 'typebox';
import { type NewModel, randomToken, services, TRAITS } from '#bus-schemas';
import { ApiError } from '../errors.ts';
import { type Api, type Asked, asTime, LIST, listOf, MicroUsd, optional, type RouteDefinition, strict, timeOf, When } from '../http/api.ts';

const Name = Type.String({ minLength: 1, maxLength: 128, pattern: '^[A-Za-z0-9][A-Za-z0-9._:/-]*$' });
const ByName = Type.Object({ '*': Name });
const Account = Type.Object({ id: Type.String({ pattern: '^acct_[0-9a-z]{4,40}$' }) });
const Provider = Type.Object({ id: Type.String({ pattern: '^A[A-Z2-7]{55}$' }) });
const Price = Type.Integer({ minimum: 0, maximum: 1_000_000_000_000, description: 'Millionths of a US dollar for a million tokens.' });
const Changed = Type.Object({ revision: Type.Integer() });
const Done = Type.Object({ done: Type.Boolean() });
const DONE = { done: true };

interface AdminDeps {
  readonly api: Api;
  /** Stops, or goes on, taking requests on this ingress. */
  readonly setDraining: (draining: boolean) => void;
}

/** What operators do, each change on the record: before it is made, so that none is made that is not written down, and how it went. */
export function addAdminRoutes({ api, setDraining }: AdminDeps): void {
  const change = <Params extends TObject, Query extends TObject, Body extends TSchema, Reply extends TSchema>(
    action: string,
    definition: Omit<RouteDefinition<Params, Query, Body, Reply>, 'who' | 'group'>,
  ): void =>
    api.route({
      ...definition,
      ...{ who: 'operator', group: 'Operators' },
      handle: (asked) => audited(api, action, asked, () => definition.handle(asked)),
    });
  const read = <Params extends TObject, Query extends TObject, Body extends TSchema, Reply extends TSchema>(
    definition: Omit<RouteDefinition<Params, Query, Body, Reply>, 'who' | 'group' | 'method'>,
  ): void => api.route({ ...definition, method: 'GET', who: 'operator', group: 'Operators' });

  read({
    ...{ url: '/admin/audit', summary: 'Who changed what, newest first' },
    query: Type.Object({ before: optional(When), limit: optional(Type.Integer({ minimum: 1, maximum: 1_000 })) }, strict),
    reply: listOf(
      Type.Object({
        id: Type.String(),
        at: Type.String(),
        operator: Type.String(),
        action: Type.String(),
        subject: Type.String(),
        detail: Type.String(),
        outcome: Type.String(),
      }),
    ),
    handle: async ({ query }) => {
      const before = timeOf(query.before, 'before');
      const { rows } = await api.ask(services.accounts.listAudit, { limit: query.limit ?? 100, ...(before !== undefined && { before }) });
      return { object: LIST, data: rows.map(({ at, ...row }) => ({ ...row, at: asTime(at) })) };
    },
  });
  read({
    ...{ url: '/admin/fleet', summary: 'Every provider that routing knows' },
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
    handle: async () => ({ object: LIST, data: (await api.ask(services.routing.fleet, {})).providers }),
  });
  read({
    ...{ url: '/admin/books', summary: 'The proof that the ledger balances' },
    reply: Type.Object({
      ok: Type.Boolean(),
      open_holds: Type.Integer(),
      drifted_balances: Type.Integer(),
      unbalanced_transactions: Type.Integer(),
      negative_balances: Type.Integer(),
    }),
    handle: async () => {
      const proof = await api.ask(services.settlement.verify, {});
      return {
        ok: proof.ok,
        open_holds: proof.openHolds,
        drifted_balances: proof.driftedBalances,
        unbalanced_transactions: proof.unbalancedTransactions,
        negative_balances: proof.negativeBalances,
      };
    },
  });
  change('drain', {
    ...{ method: 'POST', url: '/admin/drain', summary: 'Have this ingress take no new requests, or take them again' },
    body: Type.Object({ draining: Type.Boolean() }, strict),
    reply: Done,
    example: { body: { draining: true } },
    handle: async ({ body }) => {
      setDraining(body.draining);
      return DONE;
    },
  });

  const Model = Type.Object(
    {
      display_name: Type.String({ minLength: 1, maxLength: 120 }),
      context_length: Type.Integer({ minimum: 1, maximum: 10_000_000 }),
      max_output_length: Type.Integer({ minimum: 1, maximum: 10_000_000 }),
      builds: Type.Array(Name, { minItems: 1, maxItems: 8, description: 'The wanted one first.' }),
      features: optional(Type.Array(Type.Enum(TRAITS), { maxItems: TRAITS.length })),
      input: optional(Price),
      cache_read: optional(Price),
      output: optional(Price),
    },
    strict,
  );
  change('put-model', {
    ...{ method: 'PUT', url: '/admin/models/*', summary: 'Offer a model, or change its builds, limits and prices' },
    params: ByName,
    body: Model,
    reply: Changed,
    example: { body: { display_name: 'Llama 8B', context_length: 131_072, max_output_length: 8_192, builds: ['llama-8b-q4'], input: 20_000, output: 50_000 } },
    handle: async ({ params, body }) => api.ask(services.catalog.putModel, { model: modelOf(params['*'], body) }),
  });
  change('drop-model', {
    ...{ method: 'DELETE', url: '/admin/models/*', summary: 'Offer a model no more' },
    params: ByName,
    reply: Changed,
    handle: async ({ params }) => revisionOf(await api.ask(services.catalog.dropModel, { id: params['*'] })),
  });
  change('put-alias', {
    ...{ method: 'PUT', url: '/admin/aliases/*', summary: 'Give a model another name' },
    params: ByName,
    body: Type.Object({ model: Name }, strict),
    reply: Changed,
    example: { body: { model: 'sim-llama-8b' } },
    handle: async ({ params, body }) => revisionOf(await api.ask(services.catalog.putAlias, { alias: params['*'], model: body.model })),
  });
  change('drop-alias', {
    ...{ method: 'DELETE', url: '/admin/aliases/*', summary: 'Take a name back' },
    params: ByName,
    reply: Changed,
    handle: async ({ params }) => revisionOf(await api.ask(services.catalog.dropAlias, { id: params['*'] })),
  });
  addPeopleChanges(api, change);
}

type Change = <Params extends TObject, Query extends TObject, Body extends TSchema, Reply extends TSchema>(
  action: string,
  definition: Omit<RouteDefinition<Params, Query, Body, Reply>, 'who' | 'group'>,
) => void;

function addPeopleChanges(api: Api, change: Change): void {
  change('credit', {
    ...{ method: 'POST', url: '/admin/accounts/:id/credit', summary: 'Give an account credit' },
    description: 'The same `operation` twice is one credit.',
    params: Account,
    body: Type.Object(
      { amount_micro_usd: Type.Integer({ minimum: 1, maximum: 1_000_000_000_000 }), operation: Type.String({ minLength: 8, maxLength: 100 }) },
      strict,
    ),
    reply: Type.Object({ available_micro_usd: MicroUsd }),
    example: { body: { amount_micro_usd: 5_000_000, operation: 'support-ticket-42' } },
    handle: async ({ params, body }) => {
      const credited = await api.ask(services.settlement.credit, {
        account: params.id,
        amountMicroUsd: body.amount_micro_usd,
        operation: `admin:${body.operation}`,
      });
      if (!credited.ok) throw new ApiError('conflict', 'This operation was used for something else.', { param: 'operation' });
      return { available_micro_usd: credited.availableMicroUsd };
    },
  });
  change('set-terms', {
    ...{ method: 'PUT', url: '/admin/accounts/:id/terms', summary: 'Agree on a fee, or that the account is a service' },
    params: Account,
    body: Type.Object(
      {
        fee_bps: optional(Type.Integer({ minimum: 0, maximum: 10_000 })),
        service: Type.Boolean(),
        referrer: optional(Type.String({ pattern: '^acct_[0-9a-z]{4,40}$' })),
      },
      strict,
    ),
    reply: Done,
    example: { body: { fee_bps: 250, service: false } },
    handle: async ({ params, body }) => {
      const terms = {
        account: params.id,
        service: body.service,
        ...(body.fee_bps !== undefined && { feeBps: body.fee_bps }),
        ...(body.referrer && { referrer: body.referrer }),
      };
      const set = await api.ask(services.settlement.setTerms, terms);
      if (!set.ok) throw new ApiError('invalid_request', 'An account cannot refer itself.', { param: 'referrer' });
      return DONE;
    },
  });
  change('create-invite', {
    ...{ method: 'POST', url: '/admin/invites', summary: 'Make an invite that brings credit' },
    body: Type.Object(
      {
        code: Type.String({ minLength: 4, maxLength: 64, pattern: '^[A-Za-z0-9_-]+$' }),
        credit_micro_usd: Type.Integer({ minimum: 1, maximum: 1_000_000_000_000 }),
        uses: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
        expires_at: optional(When),
      },
      strict,
    ),
    reply: Done,
    example: { body: { code: 'welcome-2026', credit_micro_usd: 5_000_000, uses: 100 } },
    handle: async ({ body }) => {
      const expiresAt = timeOf(body.expires_at, 'expires_at');
      const made = await api.ask(services.accounts.createInvite, {
        code: body.code,
        creditMicroUsd: body.credit_micro_usd,
        uses: body.uses,
        ...(expiresAt !== undefined && { expiresAt }),
      });
      if (!made.ok) throw new ApiError('conflict', 'There is such an invite already.', { param: 'code' });
      return DONE;
    },
  });
  change('revoke-key', {
    ...{ method: 'DELETE', url: '/admin/keys/:id', summary: 'Revoke an API key, whoever has it' },
    params: Type.Object({ id: Type.String({ pattern: '^key_[0-9a-z]{4,40}$' }) }),
    reply: Done,
    handle: async ({ params }) => {
      const { revoked } = await api.ask(services.accounts.revokeKey, { key: params.id });
      if (!revoked) throw new ApiError('not_found', 'There is no such key.');
      return DONE;
    },
  });
  change('revoke-provider', {
    ...{ method: 'DELETE', url: '/admin/providers/:id', summary: 'Take a machine off the network, for ever' },
    params: Provider,
    reply: Done,
    handle: async ({ params }) => {
      const { revoked } = await api.ask(services.trust.revoke, { provider: params.id });
      if (!revoked) throw new ApiError('not_found', 'There is no such provider.');
      return DONE;
    },
  });
}

async function audited<Reply>(
  api: Api,
  action: string,
  { params, body, request }: Asked<unknown, unknown, unknown>,
  work: () => Promise<Reply>,
): Promise<Reply> {
  const subject = Object.values((params ?? {}) as Record<string, string>).join(' ');
  const row = { id: `audit_${randomToken(20)}`, operator: request.operator ?? '', action, subject, detail: JSON.stringify(body ?? {}).slice(0, 16_000) };
  await api.ask(services.accounts.audit, { ...row, outcome: 'begun' });
  try {
    const reply = await work();
    await api.ask(services.accounts.audit, { ...row, outcome: 'done' });
    return reply;
  } catch (error) {
    await api.ask(services.accounts.audit, { ...row, outcome: error instanceof ApiError ? error.code : 'failed' });
    throw error;
  }
}

function modelOf(
  id: string,
  body: {
    display_name: string;
    context_length: number;
    max_output_length: number;
    builds: string[];
    features?: NewModel['traits'];
    input?: number;
    cache_read?: number;
    output?: number;
  },
): NewModel {
  if (body.cache_read !== undefined && body.cache_read > (body.input ?? body.cache_read)) {
    throw new ApiError('invalid_request', 'cache_read must not be more than input.', { param: 'cache_read' });
  }
  return {
    ...{
      id,
      displayName: body.display_name,
      contextTokens: body.context_length,
      maxOutputTokens: body.max_output_length,
      builds: body.builds,
      createdAt: Date.now(),
    },
    ...(body.features && { traits: body.features }),
    ...(body.input !== undefined && { inputMicroUsdPerMillion: body.input }),
    ...(body.cache_read !== undefined && { cacheReadMicroUsdPerMillion: body.cache_read }),
    ...(body.output !== undefined && { outputMicroUsdPerMillion: body.output }),
  };
}

function revisionOf(answer: { ok: true; revision: number } | { ok: false; code: 'unknown' | 'taken' | 'in_use' }): Static<typeof Changed> {
  if (answer.ok) return { revision: answer.revision };
  switch (answer.code) {
    case 'unknown':
      throw new ApiError('not_found', 'There is no such model or alias.');
    case 'taken':
      throw new ApiError('conflict', 'A model has this name.');
    case 'in_use':
      throw new ApiError('conflict', 'It still has aliases; take those back first.');
  }
}
