import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import type { SimulatedFleet } from '#simulator';
import { startMachineOf } from '../linked-machine.ts';
import { addRewards } from '../reward-history.ts';
import { ROOT } from '../source-folders.ts';
import type { Person } from '../test-network.ts';
import { type ConsolePage, type ConsoleUnderTest, noBrowser, startConsole } from './chromium.ts';
import { RANKED_REQUESTS, servePaidRequests, startEarningMachines } from './earning-machines.ts';
import { adminUrlOf, makeOperator, operatorPage, parkFact } from './operator-browser.ts';
import { addHistory } from './status-history.ts';

const EARNING_MODEL = 'sim-llama-8b';
const FOLDER = join(ROOT, 'docs/console');
const THEMES = ['light', 'dark'] as const;
/** Time for all pages of a test on a computer that is busy, in milliseconds. */
const MAX_MS = 240_000;
const WIDTHS = { wide: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } } as const;

interface Look {
  readonly theme: (typeof THEMES)[number];
  readonly width: keyof typeof WIDTHS;
}

const LIGHT_AND_WIDE: Look = { theme: 'light', width: 'wide' };
const EVERY_LOOK: readonly Look[] = THEMES.flatMap((theme) =>
  (Object.keys(WIDTHS) as (keyof typeof WIDTHS)[]).map((width) => ({ theme, width })),
);
/** Two looks have both themes and both widths; `npm run looks` examines the two others too. */
const LOOKS =
  setting('DINF_EVERY_LOOK') || setting('DINF_WRITE_SCREENSHOTS')
    ? EVERY_LOOK
    : [LIGHT_AND_WIDE, { theme: 'dark', width: 'phone' } as const];

/** Each page: its path, the text that it shows when it is complete, and what is done before. */
interface ShownPage {
  readonly name: string;
  readonly path: string;
  readonly shows: string;
  readonly prepare?: (page: Page) => Promise<void>;
  /** The heading to which the page is scrolled; without one, it stays as it is. */
  readonly heading?: string;
}

const PAGES: readonly ShownPage[] = [
  { name: 'overview', path: '/', shows: 'Recent requests' },
  { name: 'keys', path: '/keys', shows: 'Last used' },
  {
    name: 'key-form',
    path: '/keys',
    shows: 'Create an API key',
    prepare: (page) => page.getByRole('button', { name: 'Create key' }).click(),
  },
  { name: 'chat', path: '/chat', shows: 'first content after', prepare: askInChat },
  {
    name: 'chat-tools',
    path: '/chat?model=sim-vision-7b',
    shows: 'Result of get_weather',
    prepare: askWithTools,
  },
  { name: 'models', path: '/models', shows: 'Context' },
  { name: 'quick-start', path: '/quick-start', shows: 'Run in a shell' },
  { name: 'requests', path: '/requests', shows: 'Charged' },
  {
    name: 'request',
    path: '/requests',
    shows: 'Both signatures are valid',
    prepare: verifyReceipt,
    heading: 'One request',
  },
  { name: 'money', path: '/money', shows: 'Credit' },
  { name: 'machines', path: '/machines', shows: 'Earned today' },
  {
    name: 'machine',
    path: '/machines',
    shows: 'Last 24 hours',
    prepare: (page) => page.getByRole('button', { name: /^Details/ }).click(),
  },
  { name: 'set-up', path: '/set-up', shows: 'Not linked yet' },
  { name: 'earnings', path: '/earnings', shows: 'By source' },
  {
    name: 'earnings-stripe',
    path: '/earnings',
    shows: 'Disconnect Stripe',
    heading: 'Your account at Stripe',
  },
  { name: 'link', path: '/link?user_code=WDJB-MJHT', shows: 'Code that the machine shows' },
];

/** Pages for people without a session. */
const PUBLIC_PAGES: readonly ShownPage[] = [
  { name: 'public-models', path: '/models', shows: 'Context' },
  { name: 'status', path: '/status', shows: 'Demand by model' },
  {
    name: 'leaderboard',
    path: '/status',
    shows: 'Kitchen Mac',
    heading: 'Leaderboard',
  },
  { name: 'log', path: '/log', shows: 'is signed with its key', prepare: checkLog },
  { name: 'get-started', path: '/get-started', shows: 'Run a network of your own' },
  { name: 'sign-in', path: '/', shows: 'Use a sign-in link' },
];

/** Pages of the operators' listener. */
const OPERATOR_PAGES: readonly ShownPage[] = [
  { name: 'operator-fleet', path: '/', shows: 'Show what to do' },
  {
    name: 'operator-names',
    path: '/',
    shows: 'Kitchen Mac',
    heading: 'Public names',
  },
  {
    name: 'operator-incidents',
    path: '/incidents',
    shows: 'dinf ledger replay',
    prepare: (page) => page.getByText('What to do', { exact: true }).click(),
  },
  { name: 'operator-breakers', path: '/breakers', shows: 'Who can act' },
  { name: 'operator-routing', path: '/routing', shows: 'Parts that can be switched off' },
  { name: 'operator-money', path: '/money', shows: 'The ledger balances' },
  { name: 'operator-rewards', path: '/rewards', shows: 'spring' },
  { name: 'operator-people', path: '/people', shows: 'laptop', prepare: findAnn },
  { name: 'operator-gift', path: '/people', shows: 'Promotional credit', prepare: giveToAnn },
  { name: 'operator-models', path: '/models', shows: 'Simulated Llama 8B' },
  { name: 'operator-releases', path: '/trust', shows: 'Releases that machines may run' },
  { name: 'operator-bus', path: '/bus', shows: 'JOBS' },
  { name: 'operator-audit', path: '/audit', shows: 'operator-sign-in' },
];

/** Pages whose pictures the documentation has in German, too. */
const GERMAN_PAGES: readonly ShownPage[] = [
  { name: 'overview-german', path: '/', shows: 'Letzte Anfragen' },
];
const GERMAN_OPERATOR_PAGES: readonly ShownPage[] = [
  { name: 'operator-incidents-german', path: '/incidents', shows: 'Was zu tun ist' },
];

async function findAnn(page: Page): Promise<void> {
  await page.getByRole('searchbox').fill('ann');
  await page.getByRole('button', { name: 'Search' }).click();
  await page
    .getByRole('button', { name: /^Keys of/ })
    .first()
    .click();
}

async function giveToAnn(page: Page): Promise<void> {
  await findAnn(page);
  await page
    .getByRole('button', { name: /^Give money to/ })
    .first()
    .click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Amount').fill('5.00');
  await dialog.getByLabel('Reason').fill('Outage of 3 May, ticket 42');
  await dialog.getByLabel('Note').fill('Sorry for the outage of 3 May');
}

async function scrollTo(page: Page, heading: string): Promise<void> {
  await page
    .getByRole('heading', { name: heading })
    .first()
    .evaluate((shown) => shown.scrollIntoView());
}

async function checkLog(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Check the log' }).click();
}

async function askInChat(page: Page): Promise<void> {
  await page.getByRole('textbox', { name: 'Message' }).fill('How do rainbows form?');
  await page.getByRole('button', { name: 'Send' }).click();
}

async function askWithTools(page: Page): Promise<void> {
  const drawn = await page.evaluate<string>(`(() => {
    const canvas = document.createElement('canvas');
    canvas.width = 640;
    canvas.height = 400;
    const context = canvas.getContext('2d');
    const sky = context.createLinearGradient(0, 0, 0, 400);
    sky.addColorStop(0, '#3a6ea5');
    sky.addColorStop(1, '#f2c48d');
    context.fillStyle = sky;
    context.fillRect(0, 0, 640, 400);
    return canvas.toDataURL('image/png').split(',')[1];
  })()`);
  const image = { name: 'sky.png', mimeType: 'image/png', buffer: Buffer.from(drawn, 'base64') };
  await page.getByRole('button', { name: 'Add tools' }).click();
  await page.getByRole('button', { name: 'Insert an example' }).click();
  await page.getByRole('button', { name: 'Use these tools' }).click();
  await page.getByLabel('Image files').setInputFiles([image]);
  await page.getByRole('button', { name: 'Remove image 1' }).waitFor();
  await page.getByRole('textbox', { name: 'Message' }).fill('How will the weather be?');
  await page.getByRole('button', { name: 'Send' }).click();
}

async function verifyReceipt(page: Page): Promise<void> {
  await page
    .getByRole('button', { name: /just now|ago/ })
    .first()
    .click();
  await page.getByRole('button', { name: 'Verify' }).click();
  await page.getByText('Both signatures are valid').waitFor();
}

describe.skipIf(noBrowser !== undefined)(`every page (${noBrowser ?? 'Chromium'})`, () => {
  let under: ConsoleUnderTest;
  let ann: Person;
  let studio: SimulatedFleet;
  let others: AsyncDisposable;
  let operatorKey: string;

  beforeAll(async () => {
    under = await startConsole();
    ann = await under.network.person('ann');
    await under.network.credit(ann.account, 12_345_678);
    await under.deposit(ann, 20_000_000);
    await fillAccount(ann);
    await addHistory(under.network);
    operatorKey = await makeOperator(under, 'olga');
    await parkFact(under);
    studio = await startMachineOf(under.network, ann, { name: 'studio' });
    const provider = studio.providers[0]?.id ?? '';
    await under.onboard(ann);
    const work = { provider, model: EARNING_MODEL, count: RANKED_REQUESTS, maxTokens: 300 };
    await servePaidRequests(under.network, work);
    await ann.ask('PUT', `/v1/me/providers/${provider}/public-name`, { name: 'Kitchen Mac' });
    others = await startEarningMachines(under.network, EARNING_MODEL);
    await addRewards(under.network.network, { account: ann.account, provider });
    if (setting('DINF_WRITE_SCREENSHOTS')) await mkdir(FOLDER, { recursive: true });
  }, MAX_MS);
  afterAll(async () => {
    await others?.[Symbol.asyncDispose]();
    await studio?.[Symbol.asyncDispose]();
    await under?.[Symbol.asyncDispose]();
  });

  async function fillAccount({ ask }: Person): Promise<void> {
    const made = await ask('POST', '/v1/keys', { name: 'laptop', monthly_limit_micro_usd: 20_000 });
    await ask('POST', '/v1/keys', { name: 'agents', allowed_models: ['sim-llama-8b'] });
    const inMonth = new Date(Date.now() + 30 * 86_400_000).toISOString();
    await ask('POST', '/v1/keys', { name: 'old notebook', disabled: true, expires_at: inMonth });
    // Speeds of fewer than ten answers are not shown.
    for (const max_tokens of [
      400,
      800,
      1_200,
      ...Array.from({ length: 9 }, (_, more) => 10 + more),
    ]) {
      const messages = [{ role: 'user', content: `Tell me ${max_tokens} words about rain.` }];
      const body = { model: 'sim', messages, max_tokens };
      await under.network.ask('POST', '/v1/chat/completions', { token: made.json.key, body });
    }
    await under.network.expectMoneyBalances();
  }

  test('owners see what comparable machines earned, and that it is not known of other models', async () => {
    await using opened = await under.signedInPage(ann);
    const { page } = opened;
    await page.goto('/earnings');
    const table = page.getByRole('table', { name: 'What comparable machines earned' });
    const row = (model: string) =>
      table.getByRole('row').filter({ has: page.getByText(model, { exact: true }) });
    await expect
      .poll(() => row(EARNING_MODEL).textContent())
      .toMatch(/\$.*\d machines.*\$.*\d machines/);
    expect(await row('sim-qwen-32b').textContent()).toMatch(/Not known.*Not known/);
    await page.goto('/machines');
    await page.getByRole('button', { name: /^Details/ }).click();
    await expect.poll(() => row(EARNING_MODEL).textContent()).toMatch(/[3-9] machines/);
    opened.expectNoFaults();
  });

  test(
    'has no fault for customers and owners in both themes and at both widths',
    async () => {
      await using opened = await under.signedInPage(ann, browserOptions(LIGHT_AND_WIDE));
      expect(await faultsOf(opened, PAGES, LOOKS)).toEqual([]);
      opened.expectNoFaults();
    },
    MAX_MS,
  );

  test(
    'has no fault for people without a session in both themes and at both widths',
    async () => {
      await using opened = await under.openPage(browserOptions(LIGHT_AND_WIDE));
      expect(await faultsOf(opened, PUBLIC_PAGES, LOOKS)).toEqual([]);
      opened.expectNoFaults([401]);
    },
    MAX_MS,
  );

  test(
    'has no fault for operators in both themes and at both widths',
    async () => {
      await using opened = await operatorPage(under, operatorKey, browserOptions(LIGHT_AND_WIDE));
      expect(await faultsOf(opened, OPERATOR_PAGES, LOOKS)).toEqual([]);
      opened.expectNoFaults([401]);
    },
    MAX_MS,
  );

  test(
    'has no fault in German',
    async () => {
      const options = { ...browserOptions(LIGHT_AND_WIDE), locale: 'de-DE' };
      await using opened = await under.openPage(options);
      await opened.page.goto(await under.signInLink(ann));
      await opened.page.getByRole('heading', { name: 'Übersicht' }).waitFor();
      expect(await faultsOf(opened, GERMAN_PAGES, [LIGHT_AND_WIDE])).toEqual([]);
      await using admin = await under.openPage({ ...options, baseURL: adminUrlOf(under) });
      await admin.page.goto('/');
      await admin.page.getByLabel('Betreiberschlüssel').fill(operatorKey);
      await admin.page.getByRole('button', { name: 'Anmelden' }).click();
      await admin.page.getByRole('heading', { name: 'Flotte und Kapazität' }).waitFor();
      expect(await faultsOf(admin, GERMAN_OPERATOR_PAGES, [LIGHT_AND_WIDE])).toEqual([]);
      opened.expectNoFaults();
      admin.expectNoFaults([401]);
    },
    MAX_MS,
  );

  const browserOptions = ({ theme, width }: Look) =>
    ({ colorScheme: theme, viewport: WIDTHS[width], reducedMotion: 'reduce' }) as const;

  /** Shows each page in each look, takes its pictures if asked for, and returns what is wrong. */
  async function faultsOf(
    opened: ConsolePage,
    pages: readonly ShownPage[],
    looks: readonly Look[],
  ): Promise<string[]> {
    const { page } = opened;
    const faults: string[] = [];
    for (const { name, path, shows, prepare, heading } of pages) {
      await page.goto(path);
      await prepare?.(page);
      await page.getByText(shows).first().waitFor({ state: 'attached' });
      await vi.waitFor(async () => expect(await page.locator('.skeleton').count()).toBe(0));
      for (const [index, { theme, width }] of looks.entries()) {
        await page.emulateMedia({ colorScheme: theme });
        await page.setViewportSize(WIDTHS[width]);
        if (heading !== undefined) await scrollTo(page, heading);
        const look = `${name}-${theme}-${width}`;
        // A theme changes colors only.
        const ofColors = looks.slice(0, index).some((before) => before.width === width);
        const found = await opened.accessibilityFaults({ ofColors });
        faults.push(...found.map((fault) => `${look}: ${fault}`));
        if ((await overflow(page)) > 0) faults.push(`${look} is wider than the screen`);
        if (setting('DINF_WRITE_SCREENSHOTS'))
          await page.screenshot({ path: join(FOLDER, `${look}.png`) });
      }
    }
    return faults;
  }

  /** How many pixels of the page lie right of the screen. */
  const overflow = (page: Page): Promise<number> =>
    page.evaluate<number>(
      'document.documentElement.scrollWidth - document.documentElement.clientWidth',
    );
});
