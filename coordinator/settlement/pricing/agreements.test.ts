import { expect, test } from 'vitest';
import { Agreements } from './agreements.ts';
import type { PricingStore } from './pricing-store.ts';

test('a price that was set is not answered by an older one, although its event has not arrived', async () => {
  const stored = { inputPerMillion: 1, cacheReadPerMillion: 0, outputPerMillion: 1 };
  let inDatabase = stored;
  const store: Pick<PricingStore, 'providerPrice' | 'putProviderPrice'> = {
    providerPrice: async () => inDatabase,
    putProviderPrice: async ({ price }) => {
      inDatabase = price;
      return true;
    },
  };
  let read: typeof stored | undefined = stored;
  const agreements = new Agreements({
    bus: { emit: () => undefined },
    store: store as PricingStore,
    noticeMs: 0,
    listedPrice: async () => stored,
    forget: () => {
      read = undefined;
    },
    now: () => 0,
  });
  const set = await agreements.setProviderPrice({
    provider: 'A',
    model: 'm',
    inputMicroUsdPerMillion: 10,
    outputMicroUsdPerMillion: 10,
  });
  expect(set).toMatchObject({ ok: true });
  expect((read ?? inDatabase).inputPerMillion).toBe(10);
});
