import { type Static, Type } from 'typebox';
import {
  type KeyCaps,
  KeyId,
  type KeyRecord,
  type KeySpending,
  ModelName,
  newKeyId,
  services,
} from '#bus-schemas';
import { makeApiKey } from '#coordinator/secrets.ts';
import { ApiError } from '#http-api/errors.ts';
import {
  type Api,
  asTime,
  futureTimeOf,
  LIST,
  listOf,
  MicroUsd,
  nullable,
  optional,
  orNull,
  strict,
  When,
} from './api.ts';
import { callerOf, keyOf } from './authenticate.ts';

const Limit = Type.Integer({ minimum: 1, maximum: 1_000_000_000_000 });
const Cap = Type.Integer({
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'Millionths of a US dollar.',
});

/** A change of a key: absent fields stay as they are, null removes a value. */
const Changes = Type.Object(
  {
    name: optional(Type.String({ maxLength: 120 })),
    disabled: optional(Type.Boolean()),
    expires_at: nullable(When),
    rpm_limit: nullable(Limit),
    itpm_limit: nullable(Limit),
    otpm_limit: nullable(Limit),
    allowed_models: nullable(Type.Array(ModelName, { maxItems: 256 })),
    self_route_only: optional(Type.Boolean()),
    daily_limit_micro_usd: nullable(Cap),
    weekly_limit_micro_usd: nullable(Cap),
    monthly_limit_micro_usd: nullable(Cap),
    total_limit_micro_usd: nullable(Cap),
  },
  strict,
);
type Changes = Static<typeof Changes>;

const Spent = Type.Object(
  { day: MicroUsd, week: MicroUsd, month: MicroUsd, total: MicroUsd },
  {
    description:
      'Amounts charged and held in the current UTC day, week (from Monday), month, and in total, with or without a spending limit.',
  },
);
const Key = Type.Object({
  id: Type.String(),
  name: Type.String(),
  label: Type.String({ description: 'The secret without its middle part.' }),
  disabled: Type.Boolean(),
  created_at: Type.String(),
  expires_at: orNull(Type.String()),
  last_used_at: Type.Union([Type.String(), Type.Null()], {
    description: 'Accurate to a minute; null for a key that was never used.',
  }),
  rpm_limit: orNull(Type.Integer()),
  itpm_limit: orNull(Type.Integer()),
  otpm_limit: orNull(Type.Integer()),
  allowed_models: orNull(Type.Array(Type.String())),
  self_route_only: Type.Boolean(),
  daily_limit_micro_usd: orNull(Type.Integer()),
  weekly_limit_micro_usd: orNull(Type.Integer()),
  monthly_limit_micro_usd: orNull(Type.Integer()),
  total_limit_micro_usd: orNull(Type.Integer()),
  spent_micro_usd: Spent,
});
const WithSecret = Type.Object({
  key: Type.String({ description: 'The secret. It is shown only once.' }),
  data: Key,
});
const ById = Type.Object({ id: KeyId });

type Spending = Pick<KeySpending, 'caps' | 'used'>;
/** Spending of a key that has no job and no limit: settlement has no counters for it. */
const UNUSED: Spending = { caps: {}, used: { day: 0, week: 0, month: 0, total: 0 } };
/** Most keys in one reply of settlement. An account with more keys has revoked ones among them. */
const MAX_COUNTED = 1_000;

export function addKeysRoutes(api: Api, now: () => number): void {
  const spending = async (key: string, account: string): Promise<Spending> =>
    (await api.ask(services.settlement.keySpending, { account, key })).keys[0] ?? UNUSED;
  const find = async (key: string, account: string): Promise<KeyRecord> => {
    const found = await api.ask(services.accounts.findKey, { key, account });
    if (!found.ok || found.record.revokedAt !== undefined)
      throw new ApiError('not_found', 'You have no such key.');
    return found.record;
  };

  api.route({
    method: 'GET',
    url: '/v1/key',
    group: 'Keys',
    who: 'key',
    summary: 'The calling key: its rights and its spending',
    reply: Key,
    handle: async ({ request }) => {
      const { key, account } = keyOf(request);
      return describe(await find(key, account), await spending(key, account));
    },
  });
  api.route({
    method: 'GET',
    url: '/v1/keys',
    group: 'Keys',
    who: 'user',
    summary: 'Your keys, newest first',
    reply: listOf(Key),
    handle: async ({ request }) => {
      const { account } = callerOf(request);
      const [{ keys }, spent] = await Promise.all([
        api.ask(services.accounts.listKeys, { account }),
        api.ask(services.settlement.keySpending, { account }),
      ]);
      const spentBy = new Map(spent.keys.map((spending) => [spending.key, spending]));
      const live = keys.filter(({ revokedAt }) => revokedAt === undefined);
      const isWhole = spent.keys.length < MAX_COUNTED;
      const spendingOf = async ({ key }: KeyRecord) =>
        spentBy.get(key) ?? (isWhole ? UNUSED : spending(key, account));
      return {
        object: LIST,
        data: await Promise.all(
          live.map(async (record) => describe(record, await spendingOf(record))),
        ),
      };
    },
  });
  api.route({
    method: 'POST',
    url: '/v1/keys',
    group: 'Keys',
    who: 'user',
    summary: 'Make a key',
    audit: 'create-key',
    body: Changes,
    reply: WithSecret,
    example: { body: { name: 'laptop', rpm_limit: 60, daily_limit_micro_usd: 1_000_000 } },
    handle: async ({ request, body }) => {
      const { account } = callerOf(request);
      const key = newKeyId();
      const { text, hash, hint } = makeApiKey();
      const { settings, caps } = changed({ before: NEW_KEY, caps: {}, changes: body, now: now() });
      // The limits are set before the key exists: otherwise the key could spend without limits if
      // the second call failed.
      if (caps !== undefined) await api.ask(services.settlement.setKeyCaps, { key, account, caps });
      const made = await api.ask(services.accounts.createKey, {
        key,
        account,
        keyHash: hash,
        hint,
        ...settings,
      });
      if (!made.ok && made.code === 'too_many')
        throw new ApiError('conflict', 'There are too many keys on this account; delete some.');
      return { key: text, data: describe(await find(key, account), await spending(key, account)) };
    },
  });
  api.route({
    method: 'GET',
    url: '/v1/keys/:id',
    group: 'Keys',
    who: 'user',
    summary: 'One of your keys',
    params: ById,
    reply: Key,
    handle: async ({ request, params }) => {
      const { account } = callerOf(request);
      return describe(await find(params.id, account), await spending(params.id, account));
    },
  });
  api.route({
    method: 'PATCH',
    url: '/v1/keys/:id',
    group: 'Keys',
    who: 'user',
    summary: 'Change a key',
    audit: 'update-key',
    description: 'An absent field stays as it is; null removes a limit.',
    params: ById,
    body: Changes,
    reply: Key,
    example: { body: { disabled: true, rpm_limit: null } },
    handle: async ({ request, params, body }) => {
      const { account } = callerOf(request);
      const before = await find(params.id, account);
      const { settings, caps } = changed({
        before,
        ...(await spending(params.id, account)),
        changes: body,
        now: now(),
      });
      if (caps !== undefined)
        await api.ask(services.settlement.setKeyCaps, { key: params.id, account, caps });
      const updated = await api.ask(services.accounts.updateKey, {
        key: params.id,
        account,
        ...settings,
      });
      if (!updated.ok) throw new ApiError('not_found', 'You have no such key.');
      return describe(updated.record, await spending(params.id, account));
    },
  });
  api.route({
    method: 'POST',
    url: '/v1/keys/:id/rotate',
    group: 'Keys',
    who: 'user',
    summary: 'Give a key a new secret',
    audit: 'rotate-key',
    description:
      'The id, the settings and the spending of the key stay; the old secret stops working at once.',
    params: ById,
    reply: WithSecret,
    handle: async ({ request, params }) => {
      const { account } = callerOf(request);
      const { text, hash, hint } = makeApiKey();
      const rotated = await api.ask(services.accounts.rotateKey, {
        key: params.id,
        account,
        keyHash: hash,
        hint,
      });
      if (!rotated.ok) throw new ApiError('not_found', 'You have no such key.');
      return { key: text, data: describe(rotated.record, await spending(params.id, account)) };
    },
  });
  api.route({
    method: 'DELETE',
    url: '/v1/keys/:id',
    group: 'Keys',
    who: 'user',
    summary: 'Revoke a key permanently',
    audit: 'revoke-key',
    params: ById,
    reply: Type.Object({ id: Type.String(), deleted: Type.Boolean() }),
    handle: async ({ request, params }) => {
      const { revoked } = await api.ask(services.accounts.revokeKey, {
        key: params.id,
        account: callerOf(request).account,
      });
      if (!revoked) throw new ApiError('not_found', 'You have no such key.');
      return { id: params.id, deleted: true };
    },
  });
}

type Settings = Pick<
  KeyRecord,
  'name' | 'disabled' | 'limits' | 'selfRouteOnly' | 'expiresAt' | 'allowedModels'
>;

const NEW_KEY: Settings = { name: '', disabled: false, limits: {}, selfRouteOnly: false };

/** The settings after a change. `caps` is undefined if the change does not concern them. */
function changed({
  before,
  caps,
  changes,
  now,
}: {
  before: Settings;
  caps: KeyCaps;
  changes: Changes;
  now: number;
}): {
  settings: Settings;
  caps: KeyCaps | undefined;
} {
  const {
    rpm_limit: rpm,
    itpm_limit: itpm,
    otpm_limit: otpm,
    expires_at: expiry,
    allowed_models: models,
  } = changes;
  const {
    daily_limit_micro_usd: day,
    weekly_limit_micro_usd: week,
    monthly_limit_micro_usd: month,
    total_limit_micro_usd: total,
  } = changes;
  const expiresAt =
    expiry === null ? undefined : (futureTimeOf(expiry, 'expires_at', now) ?? before.expiresAt);
  const requests = merged(rpm, before.limits.requests);
  const inputTokens = merged(itpm, before.limits.inputTokens);
  const outputTokens = merged(otpm, before.limits.outputTokens);
  const allowedModels = merged(models, before.allowedModels);
  const touched = [day, week, month, total].some((cap) => cap !== undefined);
  const newCaps = {
    day: merged(day, caps.day),
    week: merged(week, caps.week),
    month: merged(month, caps.month),
    total: merged(total, caps.total),
  };
  return {
    settings: {
      name: changes.name ?? before.name,
      disabled: changes.disabled ?? before.disabled,
      selfRouteOnly: changes.self_route_only ?? before.selfRouteOnly,
      limits: {
        ...(requests !== undefined && { requests }),
        ...(inputTokens !== undefined && { inputTokens }),
        ...(outputTokens !== undefined && { outputTokens }),
      },
      ...(expiresAt !== undefined && { expiresAt }),
      ...(allowedModels !== undefined && { allowedModels }),
    },
    caps: touched
      ? (Object.fromEntries(
          Object.entries(newCaps).filter(([, cap]) => cap !== undefined),
        ) as KeyCaps)
      : undefined,
  };
}

function merged<T>(change: T | null | undefined, before: T | undefined): T | undefined {
  return change === null ? undefined : (change ?? before);
}

function describe(record: KeyRecord, { caps, used }: Spending) {
  const {
    key,
    name,
    hint,
    disabled,
    createdAt,
    expiresAt,
    lastUsedAt,
    limits,
    allowedModels,
    selfRouteOnly,
  } = record;
  return {
    id: key,
    name,
    label: hint,
    disabled,
    created_at: asTime(createdAt),
    expires_at: expiresAt === undefined ? null : asTime(expiresAt),
    last_used_at: lastUsedAt === undefined ? null : asTime(lastUsedAt),
    rpm_limit: limits.requests ?? null,
    itpm_limit: limits.inputTokens ?? null,
    otpm_limit: limits.outputTokens ?? null,
    allowed_models: allowedModels ?? null,
    self_route_only: selfRouteOnly,
    daily_limit_micro_usd: caps.day ?? null,
    weekly_limit_micro_usd: caps.week ?? null,
    monthly_limit_micro_usd: caps.month ?? null,
    total_limit_micro_usd: caps.total ?? null,
    spent_micro_usd: used,
  };
}
