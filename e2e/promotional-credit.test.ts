import { Pool } from 'pg';
import { expect, test, vi } from 'vitest';
import { services } from '#bus-schemas';
import { startFleet } from '#simulator';
import { FakeStripe } from '#testcontainers';
import { type Person, startTestNetwork, type TestNetwork } from './test-network.ts';

const DOLLAR = 1_000_000;
const CALL = { timeoutMs: 10_000 };

/** A token for a machine of this person, as `dinf link` gets it. */
async function machineToken(network: TestNetwork, owner: Person): Promise<string> {
  const form = async (path: string, fields: Record<string, string>) =>
    (
      await fetch(new URL(path, network.url), { method: 'POST', body: new URLSearchParams(fields) })
    ).json() as Promise<Record<string, string>>;
  const { device_code = '', user_code } = await form('/v1/device/code', { client_id: 'test' });
  await owner.ask('POST', '/v1/device/approve', { user_code });
  const grant = {
    grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
    device_code,
    client_id: 'test',
  };
  return (await form('/v1/device/token', grant))['access_token'] ?? '';
}

test('the credit of an invite, spent on an own machine under a second account, cannot be withdrawn', {
  timeout: 90_000,
}, async () => {
  await using stripe = await FakeStripe.start();
  const config = {
    minimumChargeMicroUsd: 2 * DOLLAR,
    stripe: { apiKey: stripe.apiKey, webhookSecret: stripe.webhookSecret, url: stripe.url },
  };
  await using network = await startTestNetwork({ providers: 0, tokenMs: 1, config });
  const { bus } = network.network.coordinator;
  const [invited, owner] = await Promise.all([network.person('invited'), network.person('owner')]);
  const token = await machineToken(network, owner);
  await using _fleet = await startFleet({
    coordinatorUrl: network.url,
    token: async () => token,
    count: 1,
    natsServer: network.network.natsServer,
    home: `${network.network.home}/own`,
    leaves: 'own',
    log: network.log,
    profile: () => ({ chip: 'm4-max', tokenMs: 1, endless: true }),
  });
  await bus.call(
    services.settlement.onboard,
    { account: owner.account, refreshUrl: 'https://example.com', returnUrl: 'https://example.com' },
    CALL,
  );
  const [stripeAccount = ''] = stripe.bank.accounts.keys();
  await bus.call(
    services.settlement.webhook,
    stripe.sign(stripe.bank.onboard(stripeAccount)),
    CALL,
  );

  await bus.call(
    services.accounts.createInvite,
    { code: 'welcome', creditMicroUsd: 5 * DOLLAR, uses: 1 },
    CALL,
  );
  expect((await invited.ask('POST', '/v1/invites/redeem', { code: 'welcome' })).json).toMatchObject(
    { available_micro_usd: 5 * DOLLAR },
  );
  const { apiKey } = await network.createKey({ creditMicroUsd: 0, account: invited.account });
  const body = { model: 'sim', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 5 };
  const ask = () => network.ask('POST', '/v1/chat/completions', { token: apiKey, body });
  await vi.waitFor(async () => expect((await ask()).status).toBe(200), {
    timeout: 20_000,
    interval: 100,
  });
  expect((await ask()).status).toBe(200);
  await network.expectMoneyBalances();

  // As if it had been earned long ago: what remains is not the wait, but the kind of the money.
  const database = new Pool({ connectionString: network.network.config.databaseUrl });
  await database.query("UPDATE earnings SET hour = hour - interval '40 days'");
  await database.end();
  const share = 3.8 * DOLLAR;
  expect((await owner.ask('GET', '/v1/balance')).json).toMatchObject({
    available_micro_usd: share,
    promotional_micro_usd: share,
    withdrawable_micro_usd: 0,
    maturing: [],
  });
  const withdrawal = { amount_micro_usd: DOLLAR, operation: 'all-of-it' };
  const refused = await owner.ask('POST', '/v1/billing/withdrawals', withdrawal);
  expect([refused.status, refused.json.error.code]).toEqual([402, 'insufficient_quota']);
  expect(stripe.bank.transfers.size).toBe(0);
  const statement = (await invited.ask('GET', '/v1/statement')).json.data;
  expect(statement.map((line: Record<string, unknown>) => line['promotional_micro_usd'])).toEqual([
    5 * DOLLAR,
    -2 * DOLLAR,
    -2 * DOLLAR,
  ]);
  expect(await bus.call(services.settlement.verify, { full: true }, CALL)).toMatchObject({
    ok: true,
    stripeDriftMicroUsd: 0,
  });
});
