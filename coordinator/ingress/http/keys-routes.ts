import type { FastifyRequest } from 'fastify';
import { byName, KeyId, type KeyRecord, newKeyId, SPENDING_WINDOWS, services } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import { makeApiKey } from '#coordinator/secrets.ts';
import { ApiError } from '#http-api/errors.ts';
import type { KeyCache } from '../identity/key-cache.ts';
import { type Api, LIST, listOf } from './api.ts';
import { callerOf, keyOf } from './authenticate.ts';
import { changed, describe, Key, KeyChanges, NEW_KEY, type Spending } from './key-fields.ts';
import { OpenRouterKey, openRouterKey } from './open-router-routes.ts';

const WithSecret = Type.Object({
  key: Type.String({ description: 'The secret. It is shown only once.' }),
  data: Key,
});
const ById = Type.Object({ id: KeyId });

/** Spending of a key that has no job and no limit: settlement has no counters for it. */
const UNUSED: Spending = { caps: {}, used: byName(SPENDING_WINDOWS, () => 0) };
/** Most keys in one reply of settlement. An account with more keys has revoked ones among them. */
const MAX_COUNTED = 1_000;

const noSuchKey = () => new ApiError('not_found', 'You have no such key.');

interface KeysRoutesDeps {
  readonly api: Api;
  readonly keys: Pick<KeyCache, 'changed'>;
  readonly now: () => number;
}

export function addKeysRoutes({ api, keys: cache, now }: KeysRoutesDeps): void {
  const spending = async (key: string, account: string): Promise<Spending> =>
    (await api.ask(services.settlement.keySpending, { account, key })).keys[0] ?? UNUSED;
  const find = async (key: string, account: string): Promise<KeyRecord> => {
    const found = await api.ask(services.accounts.findKey, { key, account });
    if (!found.ok || found.record.revokedAt !== undefined) throw noSuchKey();
    return found.record;
  };
  const calling = (request: FastifyRequest): Promise<[KeyRecord, Spending]> => {
    const { key, account } = keyOf(request);
    if (callerOf(request).session !== undefined) throw new ApiError('key_required');
    return Promise.all([find(key, account), spending(key, account)]);
  };

  api.route({
    method: 'GET',
    url: '/v1/key',
    group: 'Keys',
    access: 'key',
    summary: 'The calling key: its rights and its spending',
    description: "`data` has the key in OpenRouter's format.",
    reply: Type.Object({ ...Key.properties, data: OpenRouterKey }),
    handle: async ({ request }) => {
      const [record, spent] = await calling(request);
      return { ...describe(record, spent), data: openRouterKey(record, spent) };
    },
  });
  api.route({
    method: 'GET',
    url: '/v1/auth/key',
    group: 'Keys',
    access: 'key',
    summary: "The calling key in OpenRouter's format",
    reply: Type.Object({ data: OpenRouterKey }),
    handle: async ({ request }) => ({ data: openRouterKey(...(await calling(request))) }),
  });
  api.route({
    method: 'GET',
    url: '/v1/keys',
    group: 'Keys',
    access: 'user',
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
    access: 'user',
    summary: 'Make a key',
    audit: 'create-key',
    body: KeyChanges,
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
    access: 'user',
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
    access: 'user',
    summary: 'Change a key',
    audit: 'update-key',
    description: 'An absent field stays as it is; null removes a limit.',
    params: ById,
    body: KeyChanges,
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
      if (!updated.ok) throw noSuchKey();
      cache.changed(params.id);
      return describe(updated.record, await spending(params.id, account));
    },
  });
  api.route({
    method: 'POST',
    url: '/v1/keys/:id/rotate',
    group: 'Keys',
    access: 'user',
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
      if (!rotated.ok) throw noSuchKey();
      cache.changed(params.id);
      return { key: text, data: describe(rotated.record, await spending(params.id, account)) };
    },
  });
  api.route({
    method: 'DELETE',
    url: '/v1/keys/:id',
    group: 'Keys',
    access: 'user',
    summary: 'Revoke a key permanently',
    audit: 'revoke-key',
    params: ById,
    reply: Type.Object({ id: Type.String(), deleted: Type.Boolean() }),
    handle: async ({ request, params }) => {
      const { revoked } = await api.ask(services.accounts.revokeKey, {
        key: params.id,
        account: callerOf(request).account,
      });
      if (!revoked) throw noSuchKey();
      cache.changed(params.id);
      return { id: params.id, deleted: true };
    },
  });
}
