import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { askToLink } from '../linked-machine.ts';
import { addRewards } from '../reward-history.ts';
import type { Person } from '../test-network.ts';
import { type ConsoleUnderTest, noBrowser, startConsole } from './chromium.ts';

const DOLLAR = 1_000_000;

describe.skipIf(noBrowser !== undefined)(`the console (${noBrowser ?? 'Chromium'})`, () => {
  let under: ConsoleUnderTest;
  let ann: Person;

  beforeAll(async () => {
    under = await startConsole();
    ann = await under.network.person('ann');
    await under.network.credit(ann.account, 5 * DOLLAR);
  });
  afterAll(() => under?.[Symbol.asyncDispose]());

  const button = (page: Page, name: string | RegExp) => page.getByRole('button', { name });
  const say = async (page: Page, text: string) => {
    await page.getByRole('textbox', { name: 'Message' }).fill(text);
    await button(page, 'Send').click();
  };

  test('signs in with a link, which leaves no code in the address and works once', async () => {
    await using opened = await under.openPage();
    await using other = await under.openPage();
    const link = await under.signInLink(ann);
    await opened.page.goto(link);
    await opened.page.getByRole('heading', { name: 'Overview' }).waitFor();
    expect(opened.page.url()).toBe(`${under.network.url}/`);
    expect(await opened.page.evaluate<string>('document.cookie')).toBe('');
    expect(await opened.page.evaluate<number>('history.length')).toBeLessThanOrEqual(2);
    opened.expectNoFaults();

    await other.page.goto(link);
    await other.page.getByText('This link was used already').waitFor();
    other.expectNoFaults([401]);
  });

  test('shows the sign-in to a stranger on every page, and the page afterwards', async () => {
    await using opened = await under.openPage();
    const { page } = opened;
    await page.goto('/keys');
    await page.getByRole('heading', { name: 'Sign in', exact: true }).waitFor();
    await page.getByLabel('Sign-in code').fill(await under.signInLink(ann));
    await button(page, 'Sign in').click();
    await page.getByRole('heading', { name: 'API keys' }).waitFor();
    opened.expectNoFaults([401]);
  });

  test('signs in at the issuer, and returns to the page that was asked for', async () => {
    const { issuer } = under.network.network;
    await using opened = await under.openPage();
    const { page } = opened;
    await page.goto('/keys');
    await page.getByRole('link', { name: 'Continue with your account' }).click();
    await page.locator('input[name=name]').fill('dora');
    await page.locator('input[name=password]').fill(issuer?.secret ?? '');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'API keys' }).waitFor();
    opened.expectNoFaults([401]);
    await page.goto('/sign-in#error=signed_out');
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
  });

  test('changes without a reload when something happens elsewhere', async () => {
    const emil = await under.network.person('emil');
    await using opened = await under.signedInPage(emil);
    await opened.page.getByText('$0.00').first().waitFor();
    await under.network.credit(emil.account, 7 * DOLLAR);
    await opened.page.getByText('$7.00').first().waitFor();
    opened.expectNoFaults();
  });

  test('creates a key, shows its secret once, and revokes it', async () => {
    await using opened = await under.signedInPage(ann);
    const { page } = opened;
    await page.getByRole('link', { name: 'API keys' }).click();
    await button(page, 'Create key').click();
    await page.getByLabel('Name').fill('robot');
    await page.getByLabel('A day').fill('nothing');
    await page.getByRole('dialog').getByRole('button', { name: 'Create key' }).click();
    await page.getByText('Write an amount above zero').waitFor();
    await page.getByLabel('A day').fill('0.25');
    await page.getByRole('dialog').getByRole('button', { name: 'Create key' }).click();
    const secret = await page.getByLabel('API key', { exact: true }).inputValue();
    await button(page, 'I have copied it').click();

    const asked = { model: 'sim', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 3 };
    const ask = () =>
      under.network.ask('POST', '/v1/chat/completions', { token: secret, body: asked });
    expect((await ask()).status).toBe(200);
    expect((await ann.ask('GET', '/v1/keys')).json.data).toContainEqual(
      expect.objectContaining({ name: 'robot', daily_limit_micro_usd: 250_000 }),
    );
    expect(await page.content()).not.toContain(secret);

    await button(page, 'Revoke robot').click();
    await button(page, 'Revoke key').click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.getByText('robot').waitFor({ state: 'detached' });
    await expect.poll(async () => (await ask()).status).toBe(401);
    opened.expectNoFaults();
  });

  test('puts a new key into the quick start, and forgets it when the page is left', async () => {
    await using opened = await under.signedInPage(ann);
    const { page } = opened;
    await page.goto('/keys');
    await button(page, 'Create key').click();
    await page.getByRole('dialog').getByRole('button', { name: 'Create key' }).click();
    const secret = await page.getByLabel('API key', { exact: true }).inputValue();
    await button(page, 'Use it in the quick start').click();
    await page.getByText(`Bearer ${secret}`).waitFor();
    await page.getByLabel('Claude Code').check();
    await page.getByText(`ANTHROPIC_API_KEY=${secret}`).waitFor();
    await page.reload();
    await page.getByText('Bearer YOUR_API_KEY').waitFor();
    opened.expectNoFaults();
  });

  test('answers in the chat with cost and machine, and shows the request afterwards', async () => {
    await using opened = await under.signedInPage(ann);
    const { page } = opened;
    await page.goto('/chat?model=sim-qwen-32b');
    await say(page, 'Why is the sky blue?');
    await page.getByText('first content after').waitFor();
    await page.getByText('simulated · identity').waitFor();
    await page.locator('.evidence data').waitFor();
    expect(await page.locator('.evidence data').getAttribute('value')).toMatch(/^[1-9]\d*$/);
    await page.getByRole('link', { name: 'Overview' }).click();
    await page.getByRole('cell', { name: 'sim-qwen-32b' }).waitFor();
    await page.getByRole('cell', { name: 'Console' }).first().waitFor();
    opened.expectNoFaults();
  });

  test('stops an answer, and charges what had arrived', async () => {
    await using opened = await under.signedInPage(ann);
    const { page } = opened;
    await page.goto('/chat');
    const before = (await ann.ask('GET', '/v1/balance')).json.available_micro_usd;
    await say(page, 'Count to a million.');
    await page.locator('.markdown').first().waitFor();
    const stop = button(page, 'Stop');
    if (await stop.isVisible()) await stop.click({ timeout: 2_000 }).catch(() => undefined);
    await page.locator('.evidence data').waitFor();
    await under.network.expectMoneyBalances();
    const after = (await ann.ask('GET', '/v1/balance')).json.available_micro_usd;
    const cost = Number(await page.locator('.evidence data').getAttribute('value'));
    expect(cost).toBe(before - after);
    opened.expectNoFaults();
  });

  test('keeps chats in this browser, and erases them when the person signs out', async () => {
    await using opened = await under.signedInPage(ann);
    const { page } = opened;
    await page.goto('/chat');
    await say(page, 'Remember the word harbour.');
    await page.getByText('first content after').waitFor();
    await page.reload();
    await button(page, 'Remember the word harbour.').first().click();
    await page.getByText('first content after').waitFor();
    await button(page, 'Sign out').first().click();
    await page.getByText('You are signed out').waitFor();
    const stored = await page.evaluate<string>('JSON.stringify(localStorage)');
    expect(stored).not.toContain('harbour');
    expect((await page.request.get('/console/session')).status()).toBe(401);
    opened.expectNoFaults();
  });

  test('shows what it knows as stale when the network is away, and never as zero', async () => {
    await using opened = await under.signedInPage(ann);
    const { page } = opened;
    const balance = await page.locator('.card-main .figure').textContent();
    await page.route('**/v1/**', (route) => route.abort());
    await page.getByRole('link', { name: 'Models' }).click();
    await page.getByText('The network does not answer').waitFor();
    await page.getByRole('link', { name: 'Overview' }).click();
    await page.getByText('Stale since').first().waitFor();
    expect(await page.locator('.card-main .figure').textContent()).toBe(balance);
    await page.unroute('**/v1/**');
    // A click may come too late, because an answer that arrives removes its button.
    const retry = button(page, 'Try again').first();
    while (await retry.isVisible()) await retry.click({ timeout: 2_000 }).catch(() => undefined);
    expect(await page.getByText('Stale since').count()).toBe(0);
  });

  test('asks for a new sign-in when the session has ended elsewhere', async () => {
    await using opened = await under.signedInPage(ann);
    await using elsewhere = await under.signedInPage(ann);
    await button(elsewhere.page, 'Sign out everywhere').click();
    await elsewhere.page.getByRole('dialog').getByRole('button', { name: 'Sign out' }).click();
    await elsewhere.page.getByText('You are signed out').waitFor();
    await opened.page.getByText('Your session has ended').waitFor();
  });

  test('verifies a receipt in the browser, and refuses one that was changed', async () => {
    const question = { model: 'sim', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 3 };
    const made = await ann.ask('POST', '/v1/keys', { name: 'receipts' });
    const asked = { token: made.json.key, body: question };
    await under.network.ask('POST', '/v1/chat/completions', asked);
    await under.network.expectMoneyBalances();
    await using opened = await under.signedInPage(ann);
    const { page } = opened;
    const showFirst = async () => {
      await page.goto('/requests');
      await page.getByLabel('Key').selectOption({ label: 'receipts' });
      await page
        .getByRole('button', { name: /just now|ago/ })
        .first()
        .click();
    };
    await showFirst();
    await page.getByRole('heading', { name: 'Why this machine' }).waitFor();
    await page.getByRole('rowheader', { name: 'First token' }).waitFor();
    await page.getByText('Highest possible cost set aside').waitFor();
    const verify = button(page, 'Verify');
    await verify.waitFor();
    const calls: string[] = [];
    page.on('request', (request) => calls.push(request.url()));
    await verify.click();
    await page.getByText('Both signatures are valid').waitFor();
    expect(calls).toEqual([]);

    await page.route('**/v1/receipts/*', async (route) => {
      const response = await route.fetch();
      const receipt = await response.json();
      await route.fulfill({ response, json: { ...receipt, charged_micro_usd: 1_000_000 } });
    });
    await showFirst();
    await verify.click();
    await page.getByText('The signature of the network does not match').waitFor();
    opened.expectNoFaults();
  });

  test('ticks the steps of a new machine without a reload', async () => {
    await using opened = await under.signedInPage(ann);
    const { page } = opened;
    await page.goto('/set-up');
    await page.getByText('Not linked yet').waitFor();
    const asking = await askToLink(under.network);
    await page.getByLabel('Code that the machine shows').fill(asking.userCode.toLowerCase());
    await button(page, 'Continue').click();
    await button(page, 'Approve the machine').click();
    await page.getByText('The machine is approved').waitFor();
    await using _fleet = await asking.start({ name: 'garage' });
    await page.getByText('Ready for requests').waitFor({ timeout: 60_000 });
    await page.getByRole('link', { name: 'Show your machines' }).first().click();
    await page.getByRole('heading', { name: 'Machines', exact: true }).waitFor();
    opened.expectNoFaults();
  });

  test('denies a machine at the address that it names', async () => {
    await using opened = await under.signedInPage(ann);
    const { page } = opened;
    const asking = await askToLink(under.network);
    await page.goto(`/link?user_code=${asking.userCode}`);
    await button(page, 'Continue').click();
    await page.getByText('A machine wants to be yours').waitFor();
    await button(page, 'Deny').click();
    await page.getByText('The machine was denied').waitFor();
    await expect(asking.start({ name: 'denied' })).rejects.toThrow();
    opened.expectNoFaults();
  });

  test('shows the statement with every entry, and saves it as CSV', async () => {
    await using opened = await under.signedInPage(ann);
    const { page } = opened;
    await page.getByRole('link', { name: 'Money' }).click();
    await page.getByRole('cell', { name: 'Credit', exact: true }).waitFor();
    const { data } = (await ann.ask('GET', '/v1/statement')).json;
    const shown = await page
      .locator('tbody data')
      .evaluateAll((cells) => cells.map((cell) => Number(cell.getAttribute('value'))));
    expect(shown).toEqual(data.map((row: { amount_micro_usd: number }) => row.amount_micro_usd));
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      button(page, 'Export CSV').click(),
    ]);
    expect(download.suggestedFilename()).toBe('statement.csv');
    opened.expectNoFaults();
  });

  test('shows deposits with both receipts, prints our own, and disconnects Stripe', async () => {
    const rita = await under.network.person('rita');
    await under.deposit(rita, 25 * DOLLAR);
    await under.onboard(rita);
    await using opened = await under.signedInPage(rita);
    const { page } = opened;
    await page.goto('/money');
    await page.getByRole('heading', { name: 'Deposits' }).waitFor();
    await page.evaluate('window.print = () => { window.printed = document.body.innerText }');
    await button(page, 'Print our receipt').click();
    await page.getByText('Receipt of').waitFor({ state: 'attached' });
    await page.emulateMedia({ media: 'print' });
    await page.getByText('25.00').filter({ visible: true }).first().waitFor();
    await page.getByText('Payment at Stripe').waitFor();
    expect(await page.getByRole('heading', { name: 'Statement' }).isVisible()).toBe(false);
    await page.emulateMedia({ media: 'screen' });

    const receipt = page.waitForRequest(/^https:\/\/pay\.example\/receipts\//);
    await page.route('https://pay.example/**', (route) => route.fulfill({ body: 'a receipt' }));
    await button(page, 'Stripe’s receipt').click();
    await receipt;

    await page.goto('/earnings');
    await button(page, 'Disconnect Stripe').click();
    await page.getByRole('dialog').getByRole('button', { name: 'Disconnect Stripe' }).click();
    await button(page, 'Set the destination').waitFor();
    expect((await rita.ask('GET', '/v1/billing/connection')).json.state).toBe('none');
    opened.expectNoFaults();
  });

  test('shows what machines got for each day, and why some got nothing', async () => {
    const rosa = await under.network.person('rosa');
    const provider = `A${'R'.repeat(55)}`;
    await addRewards(under.network.network, { account: rosa.account, provider });
    await using opened = await under.signedInPage(rosa);
    const { page } = opened;
    await page.goto('/earnings');
    await page.getByRole('heading', { name: 'Base rewards and promotions' }).waitFor();
    await page.getByText('$0.50 for a machine and day that was ready for 8 h.').waitFor();
    await page.getByText('Ready for 3 h of the 8 h that it needs.').waitFor();
    await page.getByText('Answered 3 of 10 paid requests.').waitFor();
    await page.getByText('spring: $0.20 more for a million answer tokens').waitFor();
    await page.getByText('The answers were paid with promotional credit.').waitFor();
    const row = page.getByRole('row').filter({ hasText: '22 h 10 min' });
    expect(await row.textContent()).toContain('$0.50');
    expect(await opened.accessibilityFaults()).toEqual([]);
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      button(page, 'Export CSV').click(),
    ]);
    expect(download.suggestedFilename()).toBe('rewards.csv');
    await page.goto('/money');
    await page.getByRole('row').filter({ hasText: 'Base reward' }).waitFor();
    opened.expectNoFaults();
  });

  test('lists the sessions, and ends another one', async () => {
    const carl = await under.network.person('carl');
    await using elsewhere = await under.signedInPage(carl);
    await using opened = await under.signedInPage(carl);
    const { page } = opened;
    await button(page, 'Sessions').click();
    await page.getByText('This browser').waitFor();
    expect(await opened.accessibilityFaults()).toEqual([]);
    await button(page, /^End the session of Chrome on/).click();
    await button(page, /^End the session of/).waitFor({ state: 'detached' });
    opened.expectNoFaults();
    await elsewhere.page.getByText('Your session has ended').waitFor();
  });

  test('follows the chosen theme over a reload', async () => {
    await using opened = await under.signedInPage(ann, { colorScheme: 'light' });
    const { page } = opened;
    const background = () =>
      page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    const light = await background();
    await page.getByLabel('Theme').selectOption('dark');
    const dark = await background();
    expect(dark).not.toBe(light);
    await page.reload();
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    expect(await background()).toBe(dark);
  });

  test('can be used with the keyboard alone', async () => {
    await using opened = await under.signedInPage(ann);
    const { page } = opened;
    await page.keyboard.press('Tab');
    expect(await page.evaluate<string>('document.activeElement.textContent')).toBe(
      'Skip to the content',
    );
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'API keys' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'API keys' }).waitFor();
    await expect.poll(() => page.evaluate('document.activeElement.id')).toBe('content');
    await button(page, 'Create key').focus();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    opened.expectNoFaults();
  });
});
