import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { services } from '#bus-schemas';
import { readTexts, TEXT_FILES, VALUE } from '#console/texts-under-test.ts';
import { startMachineOf } from '../linked-machine.ts';
import type { Person } from '../test-network.ts';
import { type ConsolePage, type ConsoleUnderTest, noBrowser, startConsole } from './chromium.ts';
import { adminUrlOf, makeOperator, parkFact } from './operator-browser.ts';

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
  '/rewards',
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

const expectShown = (page: Page, text: string): Promise<void> =>
  expect
    .poll(() => page.locator('main').innerText(), { timeout: 60_000, interval: 500 })
    .toContain(text);

/** The texts that a page shows or reads out, except those that it marks as English, and code. */
const shownTexts = (page: Page): Promise<string[]> =>
  page.evaluate<string[]>(`(() => {
    const isGerman = (element) => element.closest('[lang=en], code, script, style, noscript') === null;
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

/** Words that English sentences of any origin have, and German ones have not. */
const ENGLISH_WORDS = /\b(?:the|this|that|its|of|and|with|from|are|is|has|been)\b/i;

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

  /** Texts of a German page that are English: those of the console, and sentences of the network. */
  async function untranslated(page: Page): Promise<string[]> {
    const english = await englishTexts();
    expect(english.some((isShown) => isShown('Overview'))).toBe(true);
    const shown = await shownTexts(page);
    expect(shown.length).toBeGreaterThan(10);
    return shown.filter(
      (text) => ENGLISH_WORDS.test(text) || english.some((isShown) => isShown(text)),
    );
  }

  /** Starts a machine of this person, against which an operator has evidence. */
  async function startAccused(owner: Person, name: string): Promise<AsyncDisposable> {
    const machine = await startMachineOf(under.network, owner, { name });
    const provider = machine.providers[0]?.id ?? '';
    const { bus } = under.network.network.coordinator;
    const { accused } = await bus.call(services.trust.accuse, { provider }, { timeoutMs: 10_000 });
    expect(accused).toBe(true);
    return machine;
  }

  test('German pages have no fault and no English text, also on a phone', {
    timeout: 180_000,
  }, async () => {
    await using _caught = await startAccused(ann, 'caught');
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
      faults.push(...(await untranslated(page)).map((text) => `${path} shows “${text}”`));
    }
    expect(faults).toEqual([]);
    await page.goto('/machines');
    await expectShown(page, 'Ihre Antworten auf Probefragen');
    opened.expectNoFaults();
  });

  test('German pages name the reason of a refusal in German', async () => {
    await using opened = await under.openPage({ locale: 'de-DE' });
    const { page } = opened;
    await page.goto(await under.signInLink(ann));
    await page.getByRole('heading', { name: 'Übersicht' }).waitFor();
    await page.goto('/money');
    await page.getByLabel('Code der Einladung').fill('dinf-no-such-invite');
    await page.getByRole('button', { name: 'Einlösen' }).click();
    await page.getByText('Diese Einladung gibt es nicht.').waitFor();
    expect(await untranslated(page)).toEqual([]);
    opened.expectNoFaults([404]);
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
    await parkFact(under);
    await using _caught = await startAccused(await under.network.person('bob'), 'caught again');
    const faults: string[] = [];
    for (const path of OPERATOR_PATHS) {
      await page.goto(path);
      await complete(page);
      faults.push(...(await faultsOf(opened)).map((fault) => `${path}: ${fault}`));
      faults.push(...(await untranslated(page)).map((text) => `${path} shows “${text}”`));
    }
    expect(faults).toEqual([]);
    await page.goto('/incidents');
    await expectShown(page, 'Ihre Antworten auf Probefragen');
    await expectShown(page, 'Der Bus lehnte den ersten ab');
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
