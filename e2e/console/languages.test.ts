import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { readTexts, TEXT_FILES, VALUE } from '#console/texts-under-test.ts';
import { startMachineOf } from '../linked-machine.ts';
import type { Person } from '../test-network.ts';
import { type ConsolePage, type ConsoleUnderTest, noBrowser, startConsole } from './chromium.ts';
import { adminUrlOf, makeOperator } from './operator-browser.ts';

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

const OPERATOR_PATHS = [
  '/',
  '/incidents',
  '/breakers',
  '/routing',
  '/money',
  '/people',
  '/models',
  '/trust',
  '/bus',
  '/audit',
];

/** Waits until a page shows its title and loads nothing more. */
async function complete(page: Page): Promise<void> {
  await page.locator('main h1, main h2').first().waitFor();
  await vi.waitFor(async () => expect(await page.locator('.skeleton').count()).toBe(0));
}

/** Rules of accessibility that the page breaks, and whether it is wider than the screen. */
async function faultsOf(opened: ConsolePage): Promise<string[]> {
  const overflow = await opened.page.evaluate<number>(
    'document.documentElement.scrollWidth - document.documentElement.clientWidth',
  );
  return [
    ...(await opened.accessibilityFaults()),
    ...(overflow > 0 ? [`is ${overflow} pixels wider than the screen`] : []),
  ];
}

/** The texts that a page shows or reads out, except those that it marks as English, and code. */
const shownTexts = (page: Page): Promise<string[]> =>
  page.evaluate<string[]>(`(() => {
    const isGerman = (element) => element.closest('[lang=en], code, script, style') === null;
    const texts = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode())
      if (isGerman(walker.currentNode.parentElement)) texts.push(walker.currentNode.data.trim());
    for (const name of ['aria-label', 'title', 'placeholder', 'data-label'])
      for (const element of document.querySelectorAll('[' + name + ']'))
        if (isGerman(element)) texts.push(element.getAttribute(name).trim());
    return texts.filter((text) => text !== '');
  })()`);

/** Whether a page shows a text, whose values may be anything. */
type Shows = (shown: string) => boolean;

/** One check for each English text that is not a German one, too, such as “Build”. */
async function englishTexts(): Promise<Shows[]> {
  const all = async (language: 'english' | 'german') =>
    (
      await Promise.all(TEXT_FILES.map(([folder, file]) => readTexts(folder, language, file)))
    ).flat();
  const german = new Set((await all('german')).map(({ text }) => text));
  return (await all('english'))
    .map(({ text }) => text)
    .filter((text) => /[a-z]{3}/i.test(text.replaceAll(VALUE, '')) && !german.has(text))
    .map((text) => {
      const parts = text.split(VALUE);
      const [first = '', last = ''] = [parts[0], parts.at(-1)];
      if (parts.length === 1) return (shown) => shown === text;
      return (shown) =>
        shown.startsWith(first) &&
        shown.endsWith(last) &&
        parts.every((part) => shown.includes(part));
    });
}

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
      await complete(page);
      faults.push(...(await faultsOf(opened)).map((fault) => `${path}: ${fault}`));
    }
    expect(faults).toEqual([]);
    opened.expectNoFaults();
  });

  test('German pages of operators have no fault, and no English text', async () => {
    const key = await makeOperator(under, 'otto');
    await using opened = await under.openPage({
      baseURL: adminUrlOf(under),
      locale: 'de-DE',
      viewport: { width: 390, height: 844 },
      reducedMotion: 'reduce',
    });
    const { page } = opened;
    await page.goto('/');
    await page.getByLabel('Betreiberschlüssel').fill(key);
    await page.getByRole('button', { name: 'Anmelden' }).click();
    await page.getByRole('heading', { name: 'Flotte und Kapazität' }).waitFor();
    const english = await englishTexts();
    expect(english.some((isShown) => isShown('Fleet and capacity'))).toBe(true);
    const faults: string[] = [];
    for (const path of OPERATOR_PATHS) {
      await page.goto(path);
      await complete(page);
      faults.push(...(await faultsOf(opened)).map((fault) => `${path}: ${fault}`));
      const shown = await shownTexts(page);
      expect(shown.length).toBeGreaterThan(10);
      const untranslated = shown.filter((text) => english.some((isShown) => isShown(text)));
      faults.push(...untranslated.map((text) => `${path} shows “${text}”`));
    }
    expect(faults).toEqual([]);
    opened.expectNoFaults([401]);
  }, 240_000);

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
    // A condition that the browser repeats by itself would be code that the page's policy forbids.
    await expect.poll(() => page.evaluate('globalThis.printed === true')).toBe(true);
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
