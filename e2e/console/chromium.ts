import axe from 'axe-core';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';
import { makeSignInLink } from '#coordinator';
import { FakeStripe } from '#testcontainers';
import { builtConsole } from '../made-once.ts';
import { pathOf } from '../monitoring/on-path.ts';
import { type Person, startTestNetwork, type TestNetwork } from '../test-network.ts';

const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome'];
const program = PROGRAMS.map(pathOf).find((path) => path !== undefined);

/** Longest time for one step in a page, on a computer that is busy, in milliseconds. */
const MAX_WAIT_MS = 55_000;

/** The pages ask whether the network has an installer, and work without one. */
const OPTIONAL_ROUTE = '/install.sh';

/** Why the tests of this file's users cannot run; undefined if they can. */
export const noBrowser =
  program === undefined ? `none of ${PROGRAMS.join(', ')} is installed` : undefined;

/** A network whose console was built from the present source, and a browser. */
export class ConsoleUnderTest implements AsyncDisposable {
  readonly network: TestNetwork;
  readonly browser: Browser;
  readonly stripe: FakeStripe;
  readonly #owned: AsyncDisposable;

  constructor(parts: {
    network: TestNetwork;
    browser: Browser;
    stripe: FakeStripe;
    owned: AsyncDisposable;
  }) {
    this.network = parts.network;
    this.browser = parts.browser;
    this.stripe = parts.stripe;
    this.#owned = parts.owned;
  }

  /** A page of a browser with its own cookies and storage. */
  openPage(options: BrowserContextOptions = {}): Promise<ConsolePage> {
    return openConsolePage(this.browser, { baseURL: this.network.url, ...options });
  }

  async signInLink(person: Person): Promise<string> {
    const { bus } = this.network.network.coordinator;
    const owner = { account: person.account };
    const link = await makeSignInLink(bus, { owner, url: this.network.url, now: Date.now() });
    if (link === undefined) throw new Error(`there is no account ${person.account}`);
    return link;
  }

  /** A paid deposit of the person, whose event Stripe has delivered. */
  async deposit(person: Person, amountMicroUsd: number): Promise<void> {
    const { stripe, network } = this;
    const back = `${network.url}/money`;
    const { json } = await person.ask('POST', '/v1/billing/checkout', {
      amount_micro_usd: amountMicroUsd,
      success_url: back,
      cancel_url: back,
    });
    await this.deliver(stripe.bank.pay(json.session));
  }

  /** Connects an account at Stripe, which is ready to be paid, with that of the person. */
  async onboard(person: Person): Promise<void> {
    const back = `${this.network.url}/earnings`;
    await person.ask('POST', '/v1/billing/onboard', { return_url: back, refresh_url: back });
    for (const id of this.stripe.bank.accounts.keys())
      await this.deliver(this.stripe.bank.onboard(id));
  }

  /** Delivers an event of Stripe to the network. */
  async deliver(event: Parameters<FakeStripe['sign']>[0]): Promise<void> {
    const { body, signature } = this.stripe.sign(event);
    const headers = { 'content-type': 'application/json', 'stripe-signature': signature };
    const sent = await fetch(`${this.network.url}/v1/webhooks/stripe`, {
      method: 'POST',
      headers,
      body: Buffer.from(body),
    });
    expect(sent.status).toBe(200);
  }

  /** A page on which this person is signed in. */
  async signedInPage(person: Person, options: BrowserContextOptions = {}): Promise<ConsolePage> {
    const opened = await this.openPage(options);
    await opened.page.goto(await this.signInLink(person));
    await opened.page.getByRole('heading', { name: 'Overview' }).waitFor();
    return opened;
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#owned[Symbol.asyncDispose]();
  }
}

/** A page of the network at `baseURL`, with its own cookies and storage. */
export async function openConsolePage(
  browser: Browser,
  options: BrowserContextOptions,
): Promise<ConsolePage> {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(MAX_WAIT_MS);
  return new ConsolePage(await context.newPage());
}

export const launchChromium = (): Promise<Browser> =>
  chromium.launch({
    executablePath: program ?? '',
    // The sandbox needs rights that containers and root do not have; the pages are our own.
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });

/** A page of the browser. Everything that it logs as an error is a fault of the console. */
export class ConsolePage implements AsyncDisposable {
  readonly page: Page;
  readonly #faults: string[] = [];

  constructor(page: Page) {
    this.page = page;
    page.on('pageerror', (error) => this.#faults.push(String(error)));
    page.on('console', (message) => {
      const { url } = message.location();
      if (url.endsWith(OPTIONAL_ROUTE)) return;
      if (message.type() === 'error' || /Content Security Policy/.test(message.text()))
        this.#faults.push(`${message.text()} ${url}`);
    });
  }

  /**
   * Checks that no script failed and that the content security policy refused nothing. The browser
   * also logs each refused request, so a test names the statuses that it expects.
   */
  expectNoFaults(expectedStatuses: readonly number[] = []): void {
    // 503: on a busy computer an answer may come too late. The page then shows its last one as stale,
    // and a page that never gets one shows nothing that a test waits for.
    const expected = [503, ...expectedStatuses].map(
      (status) => `the server responded with a status of ${status}`,
    );
    const faults = this.#faults.filter((fault) => !expected.some((each) => fault.includes(each)));
    expect(faults).toEqual([]);
  }

  /**
   * The rules of WCAG 2.2 AA that the page breaks, with the first element of each. With `ofColors` only
   * those that depend on colors.
   */
  async accessibilityFaults({ ofColors = false } = {}): Promise<string[]> {
    if (!(await this.page.evaluate(() => 'axe' in globalThis)))
      await this.page.evaluate(axe.source);
    // Only what is printed leaves the browser: a result also lists all that the page does right.
    const faults = await this.page.evaluate(
      async (runOnly) => {
        const { axe } = globalThis as unknown as { axe: Axe };
        const { violations } = await axe.run({ runOnly, resultTypes: ['violations'] });
        return violations.map(({ id, nodes: [first] }) => ({
          id,
          html: first?.html,
          summary: first?.failureSummary,
        }));
      },
      ofColors
        ? ['color-contrast', 'link-in-text-block']
        : ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    );
    return faults.map(({ id, html, summary }) => `${id}: ${html} ${summary}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.context().close();
  }
}

interface Axe {
  run(options: object): Promise<{
    violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[];
  }>;
}

export async function startConsole(): Promise<ConsoleUnderTest> {
  await using started = new AsyncDisposableStack();
  const folder = await builtConsole();
  const stripe = started.use(await FakeStripe.start());
  const network = started.use(
    await startTestNetwork({
      providers: 2,
      tokenMs: 2,
      endless: false,
      config: {
        consoleFolder: folder,
        admin: { host: '127.0.0.1', port: 0 },
        stripe: { apiKey: stripe.apiKey, webhookSecret: stripe.webhookSecret, url: stripe.url },
      },
    }),
  );
  const browser = await launchChromium();
  started.defer(() => browser.close());
  return new ConsoleUnderTest({ network, browser, stripe, owned: started.move() });
}
