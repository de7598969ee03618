import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startMachineOf } from '../linked-machine.ts';
import { type ConsoleUnderTest, noBrowser, startConsole } from './chromium.ts';
import { RANKED_REQUESTS, servePaidRequests } from './earning-machines.ts';
import { addHistory } from './status-history.ts';

describe.skipIf(noBrowser !== undefined)(`the public pages (${noBrowser ?? 'Chromium'})`, () => {
  let under: ConsoleUnderTest;

  beforeAll(async () => {
    under = await startConsole();
    await addHistory(under.network);
  });
  afterAll(() => under?.[Symbol.asyncDispose]());

  test('are reached from the sign-in page by people without a session', async () => {
    await using opened = await under.openPage();
    const { page } = opened;
    await page.goto('/');
    await page.getByRole('heading', { name: 'Sign in', exact: true }).waitFor();
    await page.getByRole('link', { name: 'Models' }).click();
    await page.getByRole('cell', { name: /sim-llama-8b/ }).waitFor();
    expect(await page.getByRole('link', { name: /^Chat with/ }).count()).toBe(0);
    await page.getByRole('link', { name: 'Status' }).click();
    await page.getByRole('heading', { name: 'Status' }).waitFor();
    await page.getByRole('link', { name: 'Get started' }).click();
    await page.getByText(`${under.network.url}/v1`, { exact: true }).waitFor();
    await page.getByRole('link', { name: 'Sign in', exact: true }).click();
    await page.getByRole('heading', { name: 'Sign in', exact: true }).waitFor();
    opened.expectNoFaults([401]);
  });

  test('show what can be served now and could be in the last 30 days', async () => {
    await using opened = await under.openPage();
    const { page } = opened;
    await page.goto('/status');
    await page.getByText(/can be served now$/).waitFor();
    const model = page.locator('.history > li').filter({ hasText: 'sim-llama-8b' });
    // An answer from a moment without a ready machine is kept for a minute by ingress and page.
    await model.getByText('Can be served', { exact: true }).waitFor({ timeout: 150_000 });
    const grades = async (grade: string) => model.locator(`.bar-${grade}`).count();
    expect(await Promise.all(['full', 'most', 'less', 'none'].map(grades))).toEqual([25, 2, 1, 2]);
    await model.getByText('99.3 % of the checks').waitFor();
    opened.expectNoFaults([401]);
  }, 240_000);

  test('show a failure with its reason and no numbers while the network is away', async () => {
    await using opened = await under.openPage();
    const { page } = opened;
    await page.route('**/v1/**', (route) => route.abort());
    await page.goto('/status');
    await page.getByText('The network does not answer').first().waitFor();
    expect(await page.locator('.figure').count()).toBe(0);
    await page.unroute('**/v1/**');
    await page.getByRole('button', { name: 'Try again' }).first().click();
    await page.getByText(/can be served now$/).waitFor();
  });

  test('check the log in the browser, and refuse one that does not extend the last', async () => {
    await using opened = await under.openPage();
    const { page } = opened;
    await page.goto('/log');
    const check = page.getByRole('button', { name: 'Check the log' });
    await check.click();
    await page.getByText('has seen no other log').waitFor();
    await check.click();
    await page.getByText('that this browser saw before.', { exact: false }).last().waitFor();
    await page.getByText(/and extends the \d+ entries/).waitFor();
    opened.expectNoFaults([401]);

    await page.evaluate(`(() => {
      const head = JSON.parse(localStorage.getItem('dinf.log-head'));
      localStorage.setItem('dinf.log-head', JSON.stringify({ ...head, root: '00'.repeat(32) }));
    })()`);
    await check.click();
    await page.getByText('The check failed.').waitFor();
  });

  test('show a machine from when its owner switches that on until they switch it off', async () => {
    const { network } = under;
    const dora = await network.person('dora');
    await using fleet = await startMachineOf(network, dora, { name: 'garden' });
    const provider = fleet.providers[0]?.id ?? '';
    await servePaidRequests(network, {
      provider,
      model: 'sim',
      count: RANKED_REQUESTS,
      maxTokens: 5,
    });
    await using opened = await under.signedInPage(dora);
    const { page } = opened;
    const openDetails = async () => {
      await page.goto('/machines');
      await page.getByRole('button', { name: /^Details/ }).click();
    };
    await page.goto('/status');
    await page.getByText('No machine is shown yet.').waitFor();
    await openDetails();
    const shown = page.getByRole('checkbox', { name: /public leaderboard/ });
    expect(await shown.isChecked()).toBe(false);
    await shown.check();
    await page.getByLabel('Public name').fill('The Operator');
    await page.getByRole('button', { name: 'Show it under this name' }).click();
    await page.getByText('would look like one of the network itself').waitFor();
    await page.getByLabel('Public name').fill('Garden Mac');
    await page.getByRole('button', { name: 'Show it under this name' }).click();
    await page.getByText('Shown on the public leaderboard as “Garden Mac”').waitFor();
    expect(await opened.accessibilityFaults()).toEqual([]);
    await page.goto('/status');
    await page.getByRole('row', { name: /^1 Garden Mac 10 / }).waitFor();
    expect(await opened.accessibilityFaults()).toEqual([]);
    await openDetails();
    await shown.click();
    await page.getByText('Show this machine on the public leaderboard').waitFor();
    await page.goto('/status');
    await page.getByText('No machine is shown yet.').waitFor();
    opened.expectNoFaults([409]);
  }, 240_000);

  test('cost one answer a minute, which caches may hold', async () => {
    const { headers, json } = await under.network.ask('GET', '/v1/status');
    expect(headers.get('cache-control')).toBe('public, max-age=60');
    const again = await under.network.ask('GET', '/v1/status');
    expect(again.json.updated_at).toBe(json.updated_at);
  });
});
