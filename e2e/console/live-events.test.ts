import { EventSourceParserStream } from 'eventsource-parser/stream';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Nkey, services } from '#bus-schemas';
import { type Person, startTestNetwork, type TestNetwork } from '../test-network.ts';
import { type ConsoleBrowser, signedIn } from './console-browser.ts';

const CALL = { timeoutMs: 5_000 };
const WAIT = { timeout: 20_000, interval: 50 };
const chat = { model: 'sim', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 2 };

let network: TestNetwork;
let ann: Person;
let bob: Person;

beforeAll(async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 0, config: { addressLimit: 100_000 } });
  [ann, bob] = await Promise.all([network.person('ann'), network.person('bob')]);
  await network.credit(ann.account, 10_000_000);
});
afterAll(() => network[Symbol.asyncDispose]());

interface ReceivedEvent {
  readonly id: string | undefined;
  readonly name: string | undefined;
  readonly data: Record<string, unknown>;
}

/** A page that notes its events. */
class EventPage implements AsyncDisposable {
  readonly status: number;
  readonly received: ReceivedEvent[] = [];
  hasEnded = false;
  readonly #closed: AbortController;
  readonly #reading: Promise<void>;

  private constructor(response: Response, closed: AbortController) {
    this.status = response.status;
    this.#closed = closed;
    this.#reading = this.#read(response).catch(() => undefined);
  }

  static async open(
    browser: ConsoleBrowser,
    { lastId, url = network.url }: { lastId?: string | undefined; url?: string } = {},
  ): Promise<EventPage> {
    const closed = new AbortController();
    const response = await fetch(new URL('/console/events', url), {
      headers: {
        ...browser.headers(),
        origin: new URL(url).origin,
        ...(lastId !== undefined && { 'last-event-id': lastId }),
      },
      signal: closed.signal,
    });
    return new EventPage(response, closed);
  }

  names(): (string | undefined)[] {
    return this.received.map(({ name }) => name);
  }

  get lastId(): string | undefined {
    return this.received.findLast(({ id }) => id !== undefined)?.id;
  }

  first(name: string): Promise<ReceivedEvent> {
    return vi.waitFor(() => {
      const found = this.received.find((each) => each.name === name);
      if (found === undefined) throw new Error(`${name} is not among ${this.names()}`);
      return found;
    }, WAIT);
  }

  async #read(response: Response): Promise<void> {
    const events = response.body
      ?.pipeThrough(new TextDecoderStream())
      .pipeThrough(new EventSourceParserStream());
    for await (const { id, event, data } of events ?? [])
      this.received.push({ id, name: event, data: JSON.parse(data) });
    this.hasEnded = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    await this.#reading;
  }
}

describe('the events of a page', () => {
  test('tell a customer what a job cost, and nobody else', async () => {
    const browser = await signedIn(network, ann);
    await using page = await EventPage.open(browser);
    await using other = await EventPage.open(await signedIn(network, bob));
    await Promise.all([page.first('ready'), other.first('ready')]);
    const answer = await browser.ask('POST', '/v1/chat/completions', chat);
    const { data } = await page.first('job');
    expect(data).toEqual({
      at: expect.any(String),
      job_id: answer.headers.get('x-inference-job-id'),
      outcome: 'settled',
      cost_micro_usd: expect.any(Number),
    });
    await browser.ask('POST', '/v1/keys', { name: 'new' });
    await page.first('key');
    await network.credit(ann.account, 7);
    // The fact of the credit before all tests may arrive late, and then comes first.
    const credited = { name: 'balance', data: expect.objectContaining({ amount_micro_usd: 7 }) };
    await vi.waitFor(
      () => expect(page.received).toContainEqual(expect.objectContaining(credited)),
      WAIT,
    );
    // A fact of the other person arrives after all facts above.
    await bob.ask('POST', '/v1/keys', { name: 'new' });
    await other.first('key');
    expect(other.names()).toEqual(['ready', 'key']);
  });

  test('tell an owner that a machine was linked, is connected and was removed', async () => {
    await using page = await EventPage.open(await signedIn(network, bob));
    await page.first('ready');
    const { bus } = network.network.coordinator;
    const asked = { account: bob.account, lifetimeMs: 60_000 };
    const { token } = await bus.call(services.trust.createToken, asked, CALL);
    const { json } = await network.ask('POST', '/v1/providers/enrol', {
      body: { token, user_key: Nkey.create('user').getPublicKey(), name: 'studio' },
    });
    const machine = json.provider;
    expect((await page.first('machine')).data).toMatchObject({ machine, change: 'linked' });
    await bob.ask('DELETE', `/v1/me/providers/${machine}`);
    await vi.waitFor(
      () =>
        expect(page.received.map(({ data }) => data)).toContainEqual(
          expect.objectContaining({ machine, change: 'removed' }),
        ),
      WAIT,
    );
  });

  test('continue after an interruption without loss and without repetition', async () => {
    const browser = await signedIn(network, ann);
    const first = await EventPage.open(browser);
    await first.first('ready');
    await browser.ask('POST', '/v1/keys', { name: 'before' });
    const { id } = await first.first('key');
    await first[Symbol.asyncDispose]();
    const made = await browser.ask('POST', '/v1/keys', { name: 'while the page was away' });
    // The key exists, so its fact was published; the route of the next page is answered after it.
    await using second = await EventPage.open(browser, { lastId: id });
    const missed = await second.first('key');
    expect(missed.data['key']).toBe(made.json.data.id);
    await second.first('ready');
    expect(second.names().filter((name) => name === 'key')).toHaveLength(1);
  });

  test('begin with a reset at another ingress, which does not have the missed events', async () => {
    const browser = await signedIn(network, ann);
    await using first = await EventPage.open(browser);
    await first.first('ready');
    await using second = await network.secondIngress();
    await using page = await EventPage.open(browser, { lastId: first.lastId, url: second.url });
    await page.first('reset');
    await browser.ask('POST', '/v1/keys', { name: 'seen at both' });
    await Promise.all([first.first('key'), page.first('key')]);
  });

  test('end when the session is signed out', async () => {
    const browser = await signedIn(network, ann);
    await using page = await EventPage.open(browser);
    await page.first('ready');
    await browser.ask('DELETE', '/console/session');
    await vi.waitFor(() => expect(page.hasEnded).toBe(true), WAIT);
  });

  test('need the session, and are refused to pages of other sites', async () => {
    const browser = await signedIn(network, ann);
    const ask = async (headers: Record<string, string>) =>
      (await network.ask('GET', '/console/events', { headers })).status;
    expect(await ask({})).toBe(401);
    expect(await ask({ authorization: `Bearer ${ann.token}` })).toBe(401);
    const { cookie = '' } = browser.headers();
    expect(await ask({ cookie })).toBe(403);
    expect(await ask({ ...browser.headers(), 'sec-fetch-site': 'cross-site' })).toBe(403);
  });

  test('are limited to some streams for each session', async () => {
    const browser = await signedIn(network, ann);
    await using stack = new AsyncDisposableStack();
    const pages: EventPage[] = [];
    for (let opened = 0; opened < 9; opened += 1)
      pages.push(stack.use(await EventPage.open(browser)));
    expect(pages.map(({ status }) => status)).toEqual([
      ...Array.from({ length: 8 }, () => 200),
      429,
    ]);
    await pages[0]?.[Symbol.asyncDispose]();
    await vi.waitFor(async () => {
      await using again = await EventPage.open(browser);
      expect(again.status).toBe(200);
    }, WAIT);
  });

  test('are stale while the hub is away, and then begin again', async () => {
    const browser = await signedIn(network, ann);
    await using page = await EventPage.open(browser);
    await page.first('ready');
    await network.hub.kill();
    await page.first('stale');
    await network.hub.restart();
    await page.first('reset');
    await vi.waitFor(
      async () =>
        expect((await browser.ask('POST', '/v1/keys', { name: 'after' })).status).toBe(200),
      WAIT,
    );
    await page.first('key');
  }, 60_000);
});
