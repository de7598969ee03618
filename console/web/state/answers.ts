import { call } from '../api/call.ts';
import { ApiFailure } from '../api/failure.ts';
import type { Routes } from '../api/routes.ts';
import { useResource } from './resource.ts';

/** The answers of the API that several pages show, each under one name. */

export type ApiKey = Routes['GET /v1/keys']['answer']['data'][number];
export type ListedModel = Routes['GET /v1/models/catalog']['answer']['data'][number];
export type ListedPrice = Routes['GET /v1/pricing']['answer']['data'][number];
export type ModelCapacity = Routes['GET /v1/models/capacity']['answer']['data'][number];
export type ModelSpeed = Routes['GET /v1/stats']['answer']['models'][number];
export type UsageRow = Routes['GET /v1/usage']['answer']['data'][number];
export type OwnMachine = Routes['GET /v1/me/providers']['answer']['data'][number];

/** Period after which numbers without events are read again, in milliseconds. */
const MINUTE = 60_000;

/** The account with its spending; the balance has a call of its own, with more detail. */
export const useAccount = () => useResource('account', () => call('GET /v1/me'), MINUTE);

export const useBalance = () => useResource('balance', () => call('GET /v1/balance'), MINUTE);

export const useKeys = () =>
  useResource('keys', async () => (await call('GET /v1/keys')).data, MINUTE);

export const useMachines = (everyMs = MINUTE) =>
  useResource('machines', async () => (await call('GET /v1/me/providers')).data, everyMs);

export const useRecentRequests = (limit: number) =>
  useResource(
    `usage/recent/${limit}`,
    async () => (await call('GET /v1/usage', { query: { limit } })).data,
    MINUTE,
  );

/** Rows of usage that a page of the list has. */
const USAGE_ROWS = 50;

export interface UsageFilter {
  readonly model: string;
  readonly key: string;
  /** Beginning of the period, in milliseconds since 1970. */
  readonly from: number | undefined;
  /** The row after which this page begins. */
  readonly after: string | undefined;
}

export const usageQuery = ({ model, key, from, after }: UsageFilter) => ({
  ...(model && { model }),
  ...(key && { key }),
  ...(from !== undefined && { from: new Date(from).toISOString() }),
  ...(after !== undefined && { after }),
});

export const useUsage = (filter: UsageFilter) =>
  useResource(`usage/page/${JSON.stringify(filter)}`, () =>
    call('GET /v1/usage', { query: { ...usageQuery(filter), limit: USAGE_ROWS } }),
  );

export const useStatement = (from: number, after: string | undefined) =>
  useResource(`statement/${from}/${after ?? ''}`, () =>
    call('GET /v1/statement', {
      query: { from: new Date(from).toISOString(), limit: USAGE_ROWS, ...(after && { after }) },
    }),
  );

/** Earnings by source since a time; each machine is a source. */
export const useEarnings = (from: number) =>
  useResource(
    `earnings/${from}`,
    () => call('GET /v1/earnings', { query: { from: new Date(from).toISOString() } }),
    MINUTE,
  );

/** What machines earned from each model in a week. The network computes it every ten minutes. */
export const useDemand = () =>
  useResource('demand', () => call('GET /v1/models/demand'), 10 * MINUTE);

export const useRewardPolicy = () =>
  useResource('rewards/policy', () => call('GET /v1/rewards/policy'));

export const usePromotions = () =>
  useResource('rewards/promotions', async () => (await call('GET /v1/rewards/promotions')).data);

/** Days of machines on a page of the list. */
const REWARD_ROWS = 20;
export const useRewards = (after: string | undefined) =>
  useResource(`rewards/page/${after ?? ''}`, () =>
    call('GET /v1/rewards', { query: { limit: REWARD_ROWS, ...(after && { after }) } }),
  );

export const useWithdrawals = () =>
  useResource('withdrawals', () => call('GET /v1/billing/withdrawals'));

export interface OfferedModel {
  readonly model: ListedModel;
  /** Other names of the model. */
  readonly aliases: readonly string[];
  readonly price: ListedPrice | undefined;
  readonly capacity: ModelCapacity | undefined;
  /** How fast its answers were; undefined if the statistics have no model of this name. */
  readonly speed: ModelSpeed | undefined;
}

/** The models with their prices and the machines that could serve them now, the newest one first. */
export const useModels = () => useResource('models', offeredModels, MINUTE);

/** Whether a model writes answers. Others only compute vectors or relevances of texts. */
export const writesAnswers = ({ model }: Pick<OfferedModel, 'model'>): boolean =>
  model.output_modalities.includes('text');

async function offeredModels(): Promise<OfferedModel[]> {
  const [models, prices, capacities, speedOf] = await Promise.all([
    call('GET /v1/models/catalog'),
    call('GET /v1/pricing'),
    call('GET /v1/models/capacity'),
    speeds(),
  ]);
  const named = models.data
    .filter((model) => model.alias_of === null)
    .toSorted((one, other) => other.created_at.localeCompare(one.created_at));
  return named.map((model) => ({
    model,
    aliases: models.data.filter((other) => other.alias_of === model.id).map(({ id }) => id),
    price: prices.data.find((price) => price.model === model.id),
    capacity: capacities.data.find((capacity) => capacity.id === model.id),
    speed: speedOf.get(model.id),
  }));
}

/** Speeds by model. The models are shown without them while the statistics are away. */
async function speeds(): Promise<ReadonlyMap<string, ModelSpeed>> {
  try {
    const { models } = await call('GET /v1/stats');
    return new Map(models.map((each) => [each.model, each]));
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error;
    console.warn('the speeds of models cannot be read', error);
    return new Map();
  }
}
