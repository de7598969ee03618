import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { startMachineOf } from '../linked-machine.ts';
import type { Person } from '../test-network.ts';
import { type ConsoleUnderTest, noBrowser, startConsole } from './chromium.ts';

const PATHS = [
  '/',
  '/chat',
  '/models',
  '/keys',
  '/quick-start',
  '/requests',
  '/money',
  '/machines',
  '/set-up',
  '/earnings',
  '/link',
];

describe.skipIf(noBrowser !== undefined)(`languages (${noBrowser ?? 'Chromium'})`, () => {
  let under: ConsoleUnderTest;
  let ann: Person;
  let studio: AsyncDisposable;

  beforeAll(async () => {
    under = await startConsole();
    ann = await under.network.person('ann');
    await under.network.credit(ann.account, 1_234_567_890);
    studio = await startMachineOf(under.network, ann, { name: 'studio' });
  });
  afterAll(async () => {
    await studio?.[Symbol.asyncDispose]();
    await under?.[Symbol.asyncDispose]();
  });

  test('German pages have no fault, also on a phone', { timeout: 180_000 }, async () => {
    await using opened = await under.openPage({
      locale: 'de-DE',
      viewport: { width: 390, height: 844 },
      reducedMotion: 'reduce',
    });
    const { page } = opened;
    await page.goto(await under.signInLink(ann));
    await page.getByRole('heading', { name: 'Übersicht' }).waitFor();
    expect(await page.getAttribute('html', 'lang')).toBe('de');
    await page.getByText('1.234,57\u00a0$').first().waitFor();
    const faults: string[] = [];
    for (const path of PATHS) {
      await page.goto(path);
      await page.locator('main h1, main h2').first().waitFor();
      await vi.waitFor(async () => expect(await page.locator('.skeleton').count()).toBe(0));
      const found = await opened.accessibilityFaults();
      faults.push(...found.map((fault) => `${path}: ${fault}`));
      const overflow = await page.evaluate<number>(
        'document.documentElement.scrollWidth - document.documentElement.clientWidth',
      );
      if (overflow > 0) faults.push(`${path} is ${overflow} pixels wider than the screen`);
    }
    expect(faults).toEqual([]);
    opened.expectNoFaults();
  });

  test('a person chooses another language than that of the browser, and keeps it', async () => {
    await using opened = await under.signedInPage(ann);
    const { page } = opened;
    await page.getByLabel('Language').selectOption('Deutsch');
    await page.getByRole('heading', { name: 'Übersicht' }).waitFor();
    await page.goto('/money');
    await page.getByRole('heading', { name: 'Geld', exact: true }).waitFor();
    await page.getByLabel('Betrag').fill('1.234,50');
    await page.getByRole('button', { name: '1.234,50\u00a0$ kaufen' }).waitFor();
    await page.getByLabel('Sprache').selectOption('English');
    await page.getByRole('heading', { name: 'Money', exact: true }).waitFor();
    opened.expectNoFaults();
  });

  test('prints the statement of a period as a document of its own', async () => {
    await using opened = await under.signedInPage(ann);
    const { page } = opened;
    await page.addInitScript('globalThis.print = () => { globalThis.printed = true; };');
    await page.goto('/money');
    await page.getByRole('button', { name: 'Print or save as PDF' }).click();
    await page.waitForFunction('globalThis.printed === true');
    await page.emulateMedia({ media: 'print' });
    await page.getByRole('heading', { name: 'Statement of d-inference' }).waitFor();
    await page.getByText(`Account ${ann.account}`).waitFor();
    await page.locator('.printed').getByText('Credit').first().waitFor();
    await expect(page.getByRole('navigation').isVisible()).resolves.toBe(false);
    await expect(page.getByRole('button', { name: 'Add $20' }).isVisible()).resolves.toBe(false);
    expect((await page.pdf()).subarray(0, 5).toString()).toBe('%PDF-');
    await page.evaluate("dispatchEvent(new Event('afterprint'))");
    await page.emulateMedia({ media: 'screen' });
    await page.getByRole('button', { name: /^Add \$20/ }).waitFor();
    opened.expectNoFaults();
  });
});
