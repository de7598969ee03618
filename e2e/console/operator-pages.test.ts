import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { services } from '#bus-schemas';
import { startMachineOf } from '../linked-machine.ts';
import type { Person } from '../test-network.ts';
import { type ConsoleUnderTest, noBrowser, startConsole } from './chromium.ts';
import {
  adminUrlOf,
  makeOperator,
  operatorPage,
  parkFact,
  reportFault,
} from './operator-browser.ts';

const PAGE_HEADER = { 'x-dinf-console': '1' };
/** A task of the browser that is longer than this blocks a click noticeably, in milliseconds. */
const LONGEST_TASK_MS = 200;
const MACHINES = 2_000;

describe.skipIf(noBrowser !== undefined)(
  `the operators' pages (${noBrowser ?? 'Chromium'})`,
  () => {
    let under: ConsoleUnderTest;
    let key: string;
    let ann: Person;

    beforeAll(async () => {
      under = await startConsole();
      key = await makeOperator(under, 'olga');
      ann = await under.network.person('ann');
    });
    afterAll(() => under?.[Symbol.asyncDispose]());

    const button = (page: Page, name: string | RegExp) => page.getByRole('button', { name });
    const confirm = (page: Page, name: string) =>
      page.getByRole('dialog').getByRole('button', { name, exact: true }).click();

    test('admit an operator key, which no script of the page can read afterwards', async () => {
      await using opened = await operatorPage(under, key);
      const { page } = opened;
      await page.getByText('olga').waitFor();
      await page.getByText('Nothing is wrong').waitFor();
      expect(
        await page.evaluate<string>('document.cookie + JSON.stringify(localStorage)'),
      ).not.toContain('db-');
      await page.reload();
      await page.getByRole('heading', { name: 'Fleet and capacity' }).waitFor();
      await button(page, 'Sign out').click();
      await page.getByLabel('Operator key').waitFor();
      expect((await page.request.get('/admin/fleet', { headers: PAGE_HEADER })).status()).toBe(401);
      opened.expectNoFaults([401]);
    });

    test('refuse a wrong key, and everything without one', async () => {
      await using opened = await under.openPage({ baseURL: adminUrlOf(under) });
      const { page } = opened;
      await page.goto('/money');
      await page.getByLabel('Operator key').fill('op-db-this-is-no-key-at-all');
      await button(page, 'Sign in').click();
      await page.getByText('The operator key is unknown').waitFor();
      opened.expectNoFaults([401]);
    });

    test('show nothing to the session of a customer, on either listener', async () => {
      await using opened = await under.signedInPage(ann);
      const { page } = opened;
      const onCustomers = await page.request.get('/admin/fleet', { headers: PAGE_HEADER });
      expect(onCustomers.status()).toBe(404);
      expect((await page.request.get('/operator/session', { headers: PAGE_HEADER })).status()).toBe(
        404,
      );
      // Cookies belong to a host and not to a port, so the browser sends the session here, too.
      for (const path of ['fleet', 'capacity', 'catalog', 'books', 'audit', 'routing/decisions']) {
        const answer = await page.request.get(`${adminUrlOf(under)}/admin/${path}`, {
          headers: PAGE_HEADER,
        });
        expect(answer.status(), path).toBe(401);
      }
    });

    test('refuse requests that a page of another site causes', async () => {
      await using opened = await operatorPage(under, key);
      const { request } = opened.page;
      const from = (headers: Record<string, string>) => request.get('/admin/fleet', { headers });
      expect((await from(PAGE_HEADER)).status()).toBe(200);
      expect((await from({})).status()).toBe(403);
      expect((await from({ ...PAGE_HEADER, origin: 'https://evil.example' })).status()).toBe(403);
      expect((await from({ ...PAGE_HEADER, origin: under.network.url })).status()).toBe(403);
    });

    test('end with the key of the operator', async () => {
      const mine = await makeOperator(under, 'otto');
      await using opened = await operatorPage(under, mine);
      const { page } = opened;
      const { bus } = under.network.network.coordinator;
      await bus.call(services.accounts.revokeOperator, { name: 'otto' }, { timeoutMs: 10_000 });
      // The page may ask for something by itself before the click, and then the link is gone.
      const ended = page.getByText('Your session has ended');
      await page.getByRole('link', { name: 'Money' }).or(ended).click();
      await ended.waitFor();
      opened.expectNoFaults([401]);
    });

    test('suspend an account after a question for the reason, and write it to the audit log', async () => {
      const { email } = await accountOf(ann);
      await using opened = await operatorPage(under, key);
      const { page } = opened;
      await page.getByRole('link', { name: 'People' }).click();
      await page.getByRole('searchbox').fill(email ?? ann.account);
      await button(page, 'Search').click();
      await button(page, /^Suspend /).click();
      const dialog = page.getByRole('dialog');
      expect(await dialog.getByRole('button', { name: 'Suspend' }).isDisabled()).toBe(true);
      await dialog.getByLabel('Reason').fill('fraud, ticket 42');
      await confirm(page, 'Suspend');
      await page.getByText('Suspended: fraud, ticket 42').waitFor();
      await expect.poll(async () => (await ann.ask('GET', '/v1/balance')).status).toBe(403);
      await button(page, /^Resume /).click();
      await confirm(page, 'Resume');
      await page.getByText('Active').waitFor();
      await expect.poll(async () => (await ann.ask('GET', '/v1/balance')).status).toBe(200);
      await page.getByRole('link', { name: 'Audit log' }).click();
      const row = page.getByRole('row').filter({ hasText: 'suspend-account' });
      await row.getByText('olga').first().waitFor();
      await row.getByText('fraud, ticket 42').first().waitFor();
      opened.expectNoFaults([401]);
    });

    const accountOf = async ({ account }: Person) => {
      const { bus } = under.network.network.coordinator;
      const found = await bus.call(
        services.accounts.accountRecord,
        { account },
        { timeoutMs: 10_000 },
      );
      if (!found.ok) throw new Error(`there is no account ${account}`);
      return found.record;
    };

    test('drain a machine, and give it requests again', async () => {
      await using opened = await operatorPage(under, key);
      const { page } = opened;
      await button(page, /^Drain /)
        .first()
        .click();
      await confirm(page, 'Drain');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      const resume = button(page, /^Resume /).first();
      await resume.waitFor({ timeout: 60_000 });
      await resume.click();
      await confirm(page, 'Resume');
      await resume.waitFor({ state: 'detached', timeout: 60_000 });
      opened.expectNoFaults([401]);
    });

    test('withdraw a public name with a reason, and allow names again', async () => {
      await using studio = await startMachineOf(under.network, ann, { name: 'studio' });
      const [machine] = studio.providers;
      const show = (name: string) =>
        ann.ask('PUT', `/v1/me/providers/${machine?.id}/public-name`, { name });
      expect((await show('Rude Word')).status).toBe(200);
      await using opened = await operatorPage(under, key);
      const { page } = opened;
      await button(page, 'Withdraw the name Rude Word').click();
      await page.getByRole('dialog').getByLabel('Reason').fill('it offends');
      expect(await opened.accessibilityFaults()).toEqual([]);
      await confirm(page, 'Withdraw');
      await page.getByText('No machine shows a name').waitFor();
      expect((await show('Polite Word')).status).toBe(403);
      await button(page, /^Allow names again/).click();
      await confirm(page, 'Allow names again');
      await page.getByRole('table', { name: 'Withdrawn names' }).waitFor({ state: 'detached' });
      expect((await show('Polite Word')).status).toBe(200);
      await page.getByRole('link', { name: 'Audit log' }).click();
      const row = page.getByRole('row').filter({ hasText: 'withdraw-name' });
      await row.getByText('it offends').first().waitFor();
      opened.expectNoFaults([401]);
    });

    test('give credit with a note that the person reads on their statement', async () => {
      const { email } = await accountOf(ann);
      await using opened = await operatorPage(under, key);
      const { page } = opened;
      await page.getByRole('link', { name: 'People' }).click();
      await page.getByRole('searchbox').fill(email ?? ann.account);
      await button(page, 'Search').click();
      await button(page, /^Give money to /).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByLabel('Amount').fill('2.50');
      expect(await dialog.getByRole('button', { name: 'Give money' }).isDisabled()).toBe(true);
      await dialog.getByLabel('Reason').fill('ticket 43');
      await dialog.getByLabel('Note').fill('Sorry for the outage');
      expect(await opened.accessibilityFaults()).toEqual([]);
      await confirm(page, 'Give money');
      await dialog.waitFor({ state: 'detached' });
      const [entry] = (await ann.ask('GET', '/v1/statement')).json.data;
      expect(entry).toMatchObject({ amount_micro_usd: 2_500_000, note: 'Sorry for the outage' });
      // The fees of this network come from promotional credit, so they pay no reward.
      await button(page, /^Give money to /).click();
      await dialog.getByRole('radio', { name: /Reward/ }).click();
      await dialog.getByLabel('Amount').fill('5');
      await dialog.getByLabel('Reason').fill('bounty');
      await confirm(page, 'Give money');
      await dialog.getByRole('alert').waitFor();
      await dialog.getByRole('button', { name: 'Cancel' }).click();
      opened.expectNoFaults([401, 409]);
    });

    test('show the decisions of the routers, the streams and the hub', async () => {
      const body = { model: 'sim', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 2 };
      await under.network.ask('POST', '/v1/chat/completions', {
        token: under.network.apiKey,
        body,
      });
      await using opened = await operatorPage(under, key);
      const { page } = opened;
      await page.getByRole('link', { name: 'Routing' }).click();
      await page.getByText('Placed').first().waitFor();
      await page.getByRole('link', { name: 'Hubs and streams' }).click();
      const hub = page.getByRole('table', { name: 'Hubs' }).getByRole('row').nth(1);
      await expect.poll(() => hub.textContent()).toMatch(/2\.\d+\.\d+/);
      await page.getByRole('table', { name: 'Streams' }).getByText('JOBS').waitFor();
      opened.expectNoFaults([401]);
    });

    test('show an incident with the steps to repair it, and its end', async () => {
      await using opened = await operatorPage(under, key);
      const { page } = opened;
      await parkFact(under);
      await page.reload();
      await page.getByRole('link', { name: 'Show what to do' }).click({ timeout: 60_000 });
      const incident = page
        .getByRole('list', { name: 'Open incidents' })
        .getByRole('listitem')
        .filter({ hasText: 'Facts of the ledger are parked' });
      await incident.getByText('the bus refused the first one with: no stream').waitFor();
      await incident.getByText('What to do').click();
      await incident.getByText('dinf ledger replay').first().waitFor();
      await page.getByRole('link', { name: 'Money' }).click();
      await button(page, 'Publish again').click();
      await confirm(page, 'Publish again');
      await page.getByText('The bus has accepted every fact of settlement.').waitFor();
      await page.getByRole('link', { name: 'Incidents' }).click();
      await page
        .getByRole('table', { name: 'Ended incidents' })
        .getByText('Facts of the ledger are parked')
        .waitFor({ timeout: 60_000 });
      await page.getByText('Nothing is wrong').waitFor();
      opened.expectNoFaults([401]);
    }, 180_000);

    test('show a machine that is paused after faults, with the reason and its end', async () => {
      const [machine] = under.network.providers;
      const provider = machine?.id ?? '';
      await using opened = await operatorPage(under, key);
      const { page } = opened;
      await page.getByRole('link', { name: 'Breakers and cells' }).click();
      const cells = page.getByRole('table', { name: 'Cells' });
      await cells.getByText('Serves').waitFor();
      const row = page.getByRole('row').filter({ hasText: 'An answer stopped' });
      // A pause of five seconds can be over before a busy browser shows it, so faults go on.
      await expect
        .poll(
          async () => {
            for (let fault = 0; fault < 3; fault += 1) reportFault(under, provider);
            return row.count();
          },
          { timeout: 60_000, interval: 500 },
        )
        .toBe(1);
      expect(await row.textContent()).toContain(provider.slice(0, 8));
      await page.getByText('No machine is paused or cooling').waitFor({ timeout: 120_000 });
      opened.expectNoFaults([401]);
    }, 240_000);

    test(`show ${MACHINES} machines without a task over ${LONGEST_TASK_MS} ms`, async () => {
      await using opened = await operatorPage(under, key);
      const { page } = opened;
      const data = Array.from({ length: MACHINES }, (_, index) => ({
        provider: `A${String(index).padStart(55, 'B')}`,
        build: index % 2 === 0 ? 'sim-llama-8b-q4' : 'sim-qwen-32b-q4',
        state: 'resident',
        chip: 'Apple M3 Ultra',
        simulated: true,
        running: index % 4,
        pending: 0,
      }));
      await page.route('**/admin/fleet', (route) =>
        route.fulfill({ json: { object: 'list', data } }),
      );
      await page.addInitScript(`
      window.longTasks = [];
      new PerformanceObserver((list) => {
        for (const { duration } of list.getEntries()) window.longTasks.push(duration);
      }).observe({ type: 'longtask', buffered: true });`);
      await page.reload();
      await page.getByText('of 2,000').waitFor();
      const table = page.getByRole('table', { name: 'Machines' });
      const pager = page.getByRole('navigation', { name: 'Pages of the table: Machines' });
      const search = page.getByRole('searchbox', { name: 'Find: Machines' });
      /** Shows the second page, finds one machine, and returns the longest task of the browser. */
      const longestTask = async () => {
        await search.fill('');
        await page.evaluate('window.longTasks.length = 0');
        await pager.getByRole('button', { name: 'Next' }).click();
        await page.getByText('51–100 of 2,000').waitFor();
        await search.pressSequentially('1999');
        await expect.poll(() => table.getByRole('row').count()).toBe(2);
        return Math.max(0, ...(await page.evaluate<number[]>('window.longTasks')));
      };
      // Another program may take the processor in the middle of a task, so one quick try is enough.
      await expect.poll(longestTask, { timeout: 120_000 }).toBeLessThanOrEqual(LONGEST_TASK_MS);
      opened.expectNoFaults([401]);
    }, 180_000);

    test('show what they know as stale while the network is away, and never as zero', async () => {
      await using opened = await operatorPage(under, key);
      const { page } = opened;
      const free = page.locator('.figure').nth(2);
      const before = await free.textContent();
      await page.route('**/admin/**', (route) => route.abort());
      await page.getByRole('link', { name: 'Money' }).click();
      await page.getByText('The network does not answer').first().waitFor();
      await page.getByRole('link', { name: 'Fleet' }).click();
      await page.getByText('Stale since').first().waitFor();
      expect(await free.textContent()).toBe(before);
    });
  },
);
