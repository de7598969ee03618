import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { services } from '#bus-schemas';
import { type SimulatedFleet, startFleet } from '#simulator';
import { DINF, operatorSettings } from './dinf-program.ts';
import { addRewards, dayBefore, REWARD } from './reward-history.ts';
import { type Person, startTestNetwork, type TestNetwork } from './test-network.ts';

const CALL = { timeoutMs: 5_000 };
const KEY = 'op-db-for-the-tools';
/** A change reaches every ingress and router within this time, in milliseconds. */
const SOON = { timeout: 10_000, interval: 50 };
let network: TestNetwork;
let owner: Person;
/** The machine of `owner`. */
let owned: SimulatedFleet;
beforeAll(async () => {
  network = await startTestNetwork({
    providers: 1,
    tokenMs: 0,
    config: { admin: { host: '127.0.0.1', port: 0 } },
  });
  const { bus } = network.network.coordinator;
  await bus.call(
    services.accounts.createOperator,
    { name: 'olga', keyHash: createHash('sha256').update(KEY).digest() },
    CALL,
  );
  owner = await network.person('owner');
  const { account } = owner;
  owned = await startFleet({
    coordinatorUrl: network.url,
    token: async () =>
      (await bus.call(services.trust.createToken, { account, lifetimeMs: 60_000 }, CALL)).token,
    count: 1,
    natsServer: network.network.natsServer,
    home: `${network.network.home}/owned`,
    leaves: 'own',
    log: network.log,
    profile: () => ({ chip: 'm4-max', tokenMs: 0, endless: true }),
  });
  // A machine that a person linked would otherwise get few requests at first.
  await bus.call(services.trust.prove, { provider: idOf(owned) }, CALL);
}, 60_000);
afterAll(async () => {
  await owned[Symbol.asyncDispose]();
  await network[Symbol.asyncDispose]();
});

const admin = (method: string, path: string, body?: unknown) =>
  network.ask(method, `${network.network.coordinator.adminUrl}${path}`, { token: KEY, body });
const run = promisify(execFile);
const dinf = async (...args: string[]): Promise<string> =>
  (
    await run(process.execPath, [DINF, ...args], {
      env: { ...process.env, ...operatorSettings(network.network), NO_COLOR: '1' },
      timeout: 30_000,
    })
  ).stdout;
const lastAudit = async () => (await admin('GET', '/admin/audit?limit=1')).json.data[0];
const ask = (token: string, fields: object = {}) =>
  network.ask('POST', '/v1/chat/completions', {
    token,
    body: {
      model: 'sim',
      messages: [{ role: 'user', content: 'Hi' }],
      max_tokens: 2,
      ...fields,
    },
  });
const idOf = ({ providers }: SimulatedFleet): string => providers[0]?.id ?? '';
/** The gate that keeps a machine from serving; undefined if it would serve. */
const gateOf = async (provider: string): Promise<string | undefined> => {
  const { slots } = await network.network.coordinator.bus.call(
    services.routing.explain,
    { providers: [provider], promptTokens: 1, maxOutputTokens: 1 },
    CALL,
  );
  expect(slots.length).toBeGreaterThan(0);
  return slots[0]?.gate;
};

describe('people', () => {
  test('are found by e-mail address, and the search is in the audit log', async () => {
    const { account } = await network.person('fiona');
    const [found] = (await admin('GET', '/admin/accounts?email_prefix=FION')).json.data;
    expect(found).toMatchObject({ id: account, suspended: null });
    expect(await lastAudit()).toMatchObject({
      action: 'find-accounts',
      detail: '{"email_prefix":"FION"}',
    });
    expect(await dinf('accounts', 'find', found.email)).toContain(account);
    expect(await lastAudit()).toMatchObject({ action: 'find-accounts', subject: found.email });
    expect((await admin('GET', '/admin/accounts')).status).toBe(400);
    expect((await admin('GET', '/admin/accounts/acct_0000')).status).toBe(404);
  });

  test('lose their keys, their sign-in and the work of their machines with a suspension, until it ends', async () => {
    const { apiKey } = await network.createKey({ creditMicroUsd: 1e6, account: owner.account });
    const machine = idOf(owned);
    await vi.waitFor(async () => expect(await gateOf(machine)).toBeUndefined(), SOON);
    expect((await ask(apiKey)).status).toBe(200);
    const suspended = await admin('POST', `/admin/accounts/${owner.account}/suspend`, {
      reason: 'stolen card',
    });
    expect(suspended.json.suspended.reason).toBe('stolen card');
    await vi.waitFor(async () => {
      const refused = await ask(apiKey);
      expect([refused.status, refused.json.error.code]).toEqual([403, 'account_suspended']);
      const balance = await owner.ask('GET', '/v1/balance');
      expect([balance.status, balance.json.error?.code]).toEqual([403, 'account_suspended']);
      expect(await gateOf(machine)).toBe('paused');
    }, SOON);
    expect((await ask(network.apiKey, { provider: { only: [machine] } })).status).toBe(503);

    expect(await dinf('accounts', 'resume', owner.account)).toContain('is active');
    await vi.waitFor(async () => {
      expect((await ask(apiKey)).status).toBe(200);
      expect(await gateOf(machine)).toBeUndefined();
    }, SOON);
    expect((await owner.ask('GET', '/v1/me/changes')).status).toBe(200);
    expect(await lastAudit()).toMatchObject({
      operator: expect.stringMatching(/^cli:/),
      action: 'resume-account',
      subject: owner.account,
      outcome: 'done',
    });
  });

  test('have limits by the minute and by the day, whichever key they use', async () => {
    const { account, apiKey } = await network.createKey({ creditMicroUsd: 1e9 });
    const { apiKey: second } = await network.createKey({ creditMicroUsd: 1, account });
    await dinf('accounts', 'limits', account, '--rpm', '1');
    await vi.waitFor(async () => expect((await ask(apiKey)).status).toBe(429), SOON);
    expect((await ask(second)).json.error.code).toBe('rate_limit_exceeded');
    const limits = {
      rpm_limit: null,
      itpm_limit: null,
      otpm_limit: null,
      daily_limit_micro_usd: 0,
    };
    const set = await admin('PUT', `/admin/accounts/${account}/limits`, limits);
    expect(set.json.limits).toEqual(limits);
    await vi.waitFor(async () => {
      const refused = await ask(second);
      expect([refused.status, refused.json.error.code]).toEqual([402, 'account_limit_reached']);
    }, SOON);
    expect(await dinf('accounts', 'limits', account)).toContain('no limit');
    await vi.waitFor(async () => expect((await ask(second)).status).toBe(200), SOON);
  });

  test('get credit and rewards with a reason for the audit log, and a note for their statement', async () => {
    const { account, ask } = await network.person('carl');
    const why = ['--reason', 'outage of 3 May', '--note', 'Sorry for 3 May'];
    expect(await dinf('accounts', 'credit', account, '2.5', ...why)).toContain('$2.50');
    expect(JSON.parse((await lastAudit()).detail)).toMatchObject({ reason: 'outage of 3 May' });
    const [entry] = (await ask('GET', '/v1/statement')).json.data;
    expect(entry).toMatchObject({ kind: 'credit', note: 'Sorry for 3 May' });
    expect(JSON.stringify(entry)).not.toContain('outage');
    const reward = (amount: number) =>
      admin('POST', `/admin/accounts/${account}/reward`, {
        amount_micro_usd: amount,
        operation: 'bounty-1',
        reason: 'found a bug',
      });
    // The fees of this network come from promotional credit, which must not become money.
    expect((await reward(1)).json.error).toMatchObject({
      code: 'conflict',
      param: 'amount_micro_usd',
    });
    expect(await lastAudit()).toMatchObject({ action: 'reward', outcome: 'conflict' });
    await network.expectMoneyBalances();
  });
});

describe('base rewards', () => {
  test('have a policy from the next day on, a fund out of paid fees, and a row for each machine and day', async () => {
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
    expect((await owner.ask('GET', '/v1/rewards/policy')).json).toEqual({
      policy: null,
      next: null,
    });
    const set = await dinf(
      'rewards',
      'set',
      '0.5',
      '--day-budget',
      '2',
      '--hours',
      '6',
      '--age',
      '3',
    );
    expect(set).toContain('ready for 6 h with trust level hardware');
    expect(JSON.parse((await lastAudit()).detail)).toMatchObject({
      policy: { amountMicroUsd: 500_000, dayBudgetMicroUsd: 2_000_000, readyMinutes: 360 },
    });
    const { policy, next } = (await owner.ask('GET', '/v1/rewards/policy')).json;
    expect(policy).toBeNull();
    expect(next.starts_on >= tomorrow).toBe(true);
    expect(next.policy).toMatchObject({ amount_micro_usd: 500_000, machines_per_account: 3 });
    // The fees of this network come from promotional credit, which must not become money.
    await expect(dinf('rewards', 'fund', '1')).rejects.toThrow('has less than that');
    expect(await lastAudit()).toMatchObject({
      action: 'fund-rewards',
      outcome: 'insufficient_funds',
    });
    expect((await owner.ask('GET', '/v1/rewards')).json).toMatchObject({ data: [], next: null });
    expect(await dinf('rewards', 'day', '2026-01-01')).toContain('No rewards are decided');
    expect(await dinf('rewards', 'off')).toContain('No rewards are paid');
    expect(await dinf('rewards', 'show')).toContain('no rewards.');
    const put = await admin('PUT', '/admin/rewards/policy', next.policy);
    expect([put.status, put.json.starts_on >= tomorrow]).toEqual([200, true]);
    expect((await admin('GET', '/admin/rewards')).json).toMatchObject({
      policy: null,
      next: { policy: next.policy },
      fund_micro_usd: 0,
      days: [],
    });
    expect((await admin('DELETE', '/admin/rewards/policy')).status).toBe(200);
    expect(await lastAudit()).toMatchObject({ action: 'end-rewards', outcome: 'done' });
    await network.expectMoneyBalances();
  });

  test('have promotions beside them, which begin tomorrow at the earliest and can be ended', async () => {
    const promote = (from: string, until: string) =>
      dinf(
        ...['rewards', 'promote', 'autumn', '--models', 'sim', '--per-million', '0.2'],
        ...['--from', from, '--until', until, '--cap', '500'],
        ...['--per-owner', '5', '--per-customer', '1'],
      );
    await expect(promote(dayBefore(0), dayBefore(-5))).rejects.toThrow('begins on the next day');
    await expect(promote(dayBefore(-5), dayBefore(-3))).rejects.toThrow('The last day must be');
    expect(await promote(dayBefore(-3), dayBefore(-5))).toContain('$0.200000 for a million');
    expect(await lastAudit()).toMatchObject({ action: 'add-promotion', subject: 'autumn' });
    expect((await owner.ask('GET', '/v1/rewards/promotions')).json.data).toMatchObject([
      { promotion: 'autumn', micro_usd_per_million_tokens: 200_000, left_micro_usd: 500_000_000 },
    ]);
    expect(await dinf('rewards', 'promotions')).toContain('has paid $0.000000 of $500');
    expect(await dinf('rewards', 'end-promotion', 'autumn')).toContain('for no day after today');
    expect((await owner.ask('GET', '/v1/rewards/promotions')).json.data).toEqual([]);
  });

  test('are read by the owner of the machine only, with the reason for zero', async () => {
    const provider = idOf(owned);
    await addRewards(network.network, { account: owner.account, provider });
    const { json } = await owner.ask('GET', '/v1/rewards');
    expect(json.data).toMatchObject([
      { day: dayBefore(2), provider, amount_micro_usd: REWARD, because: null, reasons: [] },
      {
        amount_micro_usd: 0,
        because: 'It was ready to serve for 3 h of the 8 h that it needs.',
        reasons: [{ reason: 'hours', has: 180, needs: 480 }],
      },
      { because: 'It answered 3 of the 10 requests of paying accounts that it needs.' },
      {
        promotion: 'spring',
        amount_micro_usd: 0,
        because: 'Its answers were paid with promotional credit.',
      },
    ]);
    const csv = await owner.ask('GET', '/v1/rewards?format=csv');
    expect(csv.text.split('\n')[0]).toBe(
      'day,provider,amount_micro_usd,paid_at,ready_minutes,serving_minutes,requests,because,promotion,tokens',
    );
    expect(csv.text).toContain('It was ready to serve for 3 h');
    const first = (await owner.ask('GET', '/v1/rewards?limit=1')).json;
    const after = encodeURIComponent(first.next);
    const rest = (await owner.ask('GET', `/v1/rewards?limit=5&after=${after}`)).json;
    expect(rest.data).toHaveLength(3);
    const { lines } = await network.network.coordinator.bus.call(
      services.settlement.statement,
      { account: owner.account, limit: 100 },
      CALL,
    );
    expect(lines.filter(({ kind }) => kind === 'base_reward')).toHaveLength(1);
    const stranger = await network.person('stranger');
    expect((await stranger.ask('GET', '/v1/rewards')).json.data).toEqual([]);
    expect((await stranger.ask('GET', `/v1/rewards?provider=${provider}`)).json.data).toEqual([]);
    expect(await dinf('rewards', 'day', dayBefore(3))).toContain('for 3 h of the 8 h');
    await network.expectMoneyBalances();
  });
});

describe('the fleet', () => {
  test('has a machine that is drained by a command and resumed by a route', async () => {
    const machine = idOf(owned);
    await vi.waitFor(async () => expect(await gateOf(machine)).toBeUndefined(), SOON);
    expect(await dinf('machines', 'drain', machine)).toContain('gets no new requests');
    await vi.waitFor(async () => expect(await gateOf(machine)).toBe('paused'), SOON);
    expect((await ask(network.apiKey, { provider: { only: [machine] } })).status).toBe(503);
    const { data } = (await admin('GET', '/admin/fleet')).json;
    expect(data.find((row: { provider: string }) => row.provider === machine).state).toBe('paused');
    expect((await admin('POST', `/admin/providers/${machine}/resume`)).status).toBe(200);
    await vi.waitFor(async () => expect(await gateOf(machine)).toBeUndefined(), SOON);
    expect(await lastAudit()).toMatchObject({ action: 'resume-provider', subject: machine });
    const stranger = `A${'B'.repeat(55)}`;
    expect((await admin('POST', `/admin/providers/${stranger}/drain`)).status).toBe(404);
  });

  test('has public names, which an operator withdraws and allows again', async () => {
    const machine = idOf(owned);
    const show = (name: string) =>
      owner.ask('PUT', `/v1/me/providers/${machine}/public-name`, { name });
    expect((await show('Rude Word')).status).toBe(200);
    const names = async () => (await admin('GET', '/admin/public-names')).json;
    expect((await names()).shown).toEqual([{ name: 'Rude Word', provider: machine }]);
    const why = ['--reason', 'it offends'];
    expect(await dinf('machines', 'withdraw-name', 'rude-w0rd', ...why)).toContain(machine);
    expect(await lastAudit()).toMatchObject({ action: 'withdraw-name', subject: 'rude-w0rd' });
    expect(JSON.parse((await lastAudit()).detail)).toMatchObject({ reason: 'it offends' });
    expect(await names()).toEqual({
      shown: [],
      withdrawn: [{ compared_as: 'rudeword', provider: machine }],
    });
    const refused = await show('Polite Word');
    expect([refused.status, refused.json.error.code]).toEqual([403, 'forbidden']);
    const again = await admin('POST', '/admin/public-names/withdraw', { name: 'Nobody has it' });
    expect(again.status).toBe(404);
    expect(await dinf('machines', 'allow-name', machine)).toContain(machine);
    expect((await names()).withdrawn).toEqual([]);
    expect((await show('Polite Word')).status).toBe(200);
  });

  test('has parts of routing that an operator switches', async () => {
    expect(await dinf('routing', 'switch', 'warm_pool', 'off')).toMatch(/^warm_pool +off$/m);
    expect((await admin('GET', '/admin/routing/switches')).json).toEqual({
      affinity: true,
      warm_pool: false,
    });
    const switched = await admin('PUT', '/admin/routing/switches/warm_pool', { on: true });
    expect(switched.json).toEqual({ affinity: true, warm_pool: true });
    expect(await lastAudit()).toMatchObject({ action: 'set-switch', subject: 'warm_pool' });
    expect((await admin('PUT', '/admin/routing/switches/nothing', { on: true })).status).toBe(400);
  });
});

describe('models', () => {
  const MODEL = 'tools/model';
  const BUILD = 'sim-llama-8b-q4';
  const offered = {
    display_name: 'Tools',
    description: 'A model for the tools of operators.',
    hugging_face_id: 'org/tools',
    minimum_memory_gb: 16,
    context_length: 8_192,
    max_output_length: 1_024,
    builds: [BUILD],
    input: 10,
    output: 20,
  };
  const put = (fields: object = {}) =>
    admin('PUT', `/admin/models/${MODEL}`, { ...offered, ...fields });
  const listed = async (token = network.apiKey) =>
    (await network.ask('GET', '/v1/models', { token })).json.data.find(
      ({ id }: { id: string }) => id === 'tools',
    );
  const askFor = (token = network.apiKey) => ask(token, { model: 'tools' });
  beforeAll(async () => {
    await put();
    await admin('PUT', '/admin/aliases/tools', { model: MODEL });
    await vi.waitFor(async () => expect((await askFor()).status).toBe(200), SOON);
  });

  test('have a description and a history of their prices', async () => {
    expect(await listed()).toMatchObject({
      description: 'A model for the tools of operators.',
      hugging_face_id: 'org/tools',
      minimum_memory_gb: 16,
      beta: false,
      deprecation: null,
      expiration_date: null,
    });
    await put({ input: 30 });
    // The same price again is no change.
    await put({ input: 30 });
    const { data } = (await admin('GET', '/admin/price-history/tools')).json;
    expect(data.map(({ input, output }: Record<string, number>) => [input, output])).toEqual([
      [30, 20],
      [10, 20],
    ]);
    expect(await dinf('models', 'prices', MODEL)).toMatch(/\$0\.00003 in.*\n.*\$0\.00001 in/);
  });

  test('are refused with the reason while they are shed', async () => {
    expect(
      await dinf('models', 'shed', 'tools', '--minutes', '5', '--reason', 'new disks'),
    ).toMatch(/refused until/);
    await vi.waitFor(async () => {
      const refused = await askFor();
      expect([refused.status, refused.json.error.code]).toEqual([429, 'model_shed']);
      expect(refused.json.error.message).toContain('new disks');
      expect(refused.headers.get('retry-after')).toBe('60');
    }, SOON);
    expect((await ask(network.apiKey)).status).toBe(200);
    expect((await admin('DELETE', '/admin/sheds/tools')).status).toBe(200);
    await vi.waitFor(async () => expect((await askFor()).status).toBe(200), SOON);
    expect((await admin('DELETE', '/admin/sheds/no-such-model')).status).toBe(404);
  });

  test('in a beta test exist only for the accounts and keys that are allowed', async () => {
    const tester = await network.createKey({ creditMicroUsd: 1e9 });
    const { account, apiKey } = tester;
    await admin('PUT', '/admin/betas/tools', { allowed: [account] });
    await vi.waitFor(async () => expect((await askFor()).status).toBe(404), SOON);
    expect((await askFor(apiKey)).status).toBe(200);
    expect(await listed()).toBeUndefined();
    expect(await listed(apiKey)).toMatchObject({ beta: true });
    const counted = (token: string) =>
      network.ask('POST', '/v1/messages/count_tokens', {
        token,
        body: { model: MODEL, messages: [{ role: 'user', content: 'Hi' }] },
      });
    expect((await counted(network.apiKey)).status).toBe(404);
    expect((await counted(apiKey)).status).toBe(200);
    const everybody = (await network.ask('GET', '/v1/models/catalog')).json.data;
    expect(everybody.map(({ id }: { id: string }) => id)).not.toContain(MODEL);
    expect(await dinf('models', 'beta', 'tools', '--end')).toContain('open to everybody');
    await vi.waitFor(async () => expect((await askFor()).status).toBe(200), SOON);
  });

  test('that are deprecated say so in every answer and in the list', async () => {
    expect(
      await dinf('models', 'deprecate', 'tools', '--sunset', '2099-01-31', '--replacement', 'sim'),
    ).toContain('is deprecated');
    await vi.waitFor(async () => {
      const { headers } = await askFor();
      expect(headers.get('deprecation')).toMatch(/^@[0-9]{10}$/);
      expect(headers.get('sunset')).toBe('Sat, 31 Jan 2099 00:00:00 GMT');
    }, SOON);
    expect(await listed()).toMatchObject({
      deprecation: { sunset_at: '2099-01-31T00:00:00.000Z', replacement: 'sim' },
      expiration_date: '2099-01-31',
    });
    await admin('DELETE', '/admin/deprecations/tools');
    await vi.waitFor(async () => {
      expect((await askFor()).headers.get('deprecation')).toBeNull();
    }, SOON);
  });

  test('move to another build and back under the same name', async () => {
    const next = 'tools-next';
    const refused = await admin('POST', '/admin/rollouts/tools', { build: next });
    expect(refused.json.error).toMatchObject({ code: 'conflict', param: 'build' });
    expect(await dinf('models', 'rollout', 'tools', next, '--force')).toContain(
      `is served by ${next}; alternatives: ${BUILD}`,
    );
    // No machine has the new build yet: the one before serves.
    expect((await askFor()).status).toBe(200);
    const reverted = await admin('POST', '/admin/reverts/tools');
    expect(reverted.json).toEqual({
      model: MODEL,
      builds: [BUILD, next],
      previous_build: next,
    });
    await put({ builds: [BUILD], weights: { [BUILD]: 'ab'.repeat(32) } });
    const unpinned = await admin('POST', '/admin/rollouts/tools', { build: next, force: true });
    expect(unpinned.json.error).toMatchObject({ code: 'conflict', param: 'weights' });
    expect(await lastAudit()).toMatchObject({ action: 'roll-out', subject: 'tools' });
  });
});
