import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generateSealingKeyPair, hex } from '#bus-schemas';
import { expectedText, type Person } from '../test-network.ts';
import { type ConsolePage, type ConsoleUnderTest, noBrowser, startConsole } from './chromium.ts';
import { askFromLink, countClicks } from './two-clicks.ts';

// The page does not trust the network that serves its API: here the answers of the API are changed
// on their way to the browser.

const DOLLAR = 1_000_000;
const SECRET = 'osprey-4c1d-marmalade';

describe.skipIf(noBrowser !== undefined)(`the sealed chat (${noBrowser ?? 'Chromium'})`, () => {
  let under: ConsoleUnderTest;
  let ann: Person;

  beforeAll(async () => {
    under = await startConsole();
    ann = await under.network.person('ann');
    await under.network.credit(ann.account, 5 * DOLLAR);
  });
  afterAll(() => under?.[Symbol.asyncDispose]());

  const say = async (page: Page, text: string) => {
    await page.getByRole('textbox', { name: 'Message' }).fill(text);
    await page.getByRole('button', { name: 'Send' }).click();
  };

  /** A signed-in page on the chat, and the requests with a body that it has sent since. */
  async function chatPage(prepare?: (opened: ConsolePage) => Promise<unknown>) {
    const opened = await under.signedInPage(ann);
    await prepare?.(opened);
    const posts: { path: string; body: Buffer }[] = [];
    opened.page.on('request', (request) => {
      if (request.method() !== 'POST') return;
      const body = request.postDataBuffer() ?? Buffer.alloc(0);
      posts.push({ path: new URL(request.url()).pathname, body });
    });
    await opened.page.goto('/chat?model=sim-qwen-32b');
    return { opened, page: opened.page, posts };
  }

  const requestsForAnswers = (posts: readonly { path: string }[]) =>
    posts.filter(({ path }) => /^\/v1\/(sealed\/jobs|chat\/completions)/.test(path));

  test('is two clicks from the link that signs a person in', async () => {
    await using opened = await under.openPage();
    const { page } = opened;
    const clicks = await countClicks(page);
    await page.goto(await under.signInLink(ann));
    await askFromLink(page, 'How do rainbows form?');
    await expect.poll(clicks).toBe(2);
    opened.expectNoFaults();
  });

  test('gets the text, which no request, bus message, table or log of the network contains', async () => {
    const heard: Buffer[] = [];
    const tap = under.network.network.coordinator.bus.connection.subscribe('>', {
      callback: (_error, { data }) => void heard.push(Buffer.from(data)),
    });
    const { opened, page, posts } = await chatPage();
    await using _page = opened;
    await page.getByText('Your next message is sealed').waitFor();
    const question = `The word is ${SECRET}.`;
    await say(page, question);
    await page.getByText('first content after').waitFor();
    const answer = await page.locator('.markdown').first().innerText();
    const expected = expectedText([{ role: 'user', content: question }], 2_000);
    const beginning = answer.trim().slice(0, 40);
    expect(beginning.length).toBe(40);
    expect(expected.trim().startsWith(beginning)).toBe(true);
    await page.locator('.evidence data').waitFor();
    await under.network.expectMoneyBalances();
    tap.unsubscribe();

    expect(posts.map(({ path }) => path)).toContain('/v1/sealed/sessions');
    expect(requestsForAnswers(posts).map(({ path }) => path)).toEqual([
      expect.stringMatching(/^\/v1\/sealed\/jobs\/job_/),
    ]);
    const stored = await page.evaluate<string>('JSON.stringify(localStorage)');
    const [conversation = ''] = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/.exec(stored) ?? [];
    expect(conversation).not.toBe('');
    for (const words of [SECRET, conversation])
      expect(posts.some(({ body }) => body.includes(words))).toBe(false);
    expect(heard.length).toBeGreaterThan(10);
    for (const words of [SECRET, beginning]) {
      expect(heard.some((data) => data.includes(words))).toBe(false);
      expect(await under.network.databaseHolds(words)).toBe(false);
      expect(under.network.logs()).not.toContain(words);
    }
    await page.getByText('Sealed for this machine').click();
    await page.getByText('sim-qwen-32b →').waitFor();
    opened.expectNoFaults();
  });

  test('seals images, which the browser has made smaller, and shows them again', async () => {
    const { opened, page, posts } = await chatPage();
    await using _page = opened;
    await page.goto('/chat?model=sim-qwen-32b');
    expect(await page.getByRole('button', { name: 'Add images' }).count()).toBe(0);
    await page.goto('/chat?model=sim-vision-7b');
    const files = page.getByLabel('Image files');
    await files.setInputFiles({ name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('a') });
    await page.getByText('This file is no image').waitFor();
    const large = Buffer.alloc(21_000_000);
    await files.setInputFiles({ name: 'a.png', mimeType: 'image/png', buffer: large });
    await page.getByText('This image is too large').waitFor();
    const drawn = await page.evaluate<string>(`(() => {
      const canvas = document.createElement('canvas');
      canvas.width = 3000;
      canvas.height = 1500;
      canvas.getContext('2d').fillRect(100, 100, 900, 900);
      return canvas.toDataURL('image/png').split(',')[1];
    })()`);
    const image = { name: 'p.png', mimeType: 'image/png', buffer: Buffer.from(drawn, 'base64') };
    await files.setInputFiles([image]);
    await page.getByRole('button', { name: 'Remove image 1' }).waitFor();
    await say(page, 'What is in this image?');
    await page.locator('.evidence data').waitFor();
    const shown = page.locator('.question img');
    expect(await page.evaluate("document.querySelector('.question img').naturalWidth")).toBe(768);
    const url = (await shown.getAttribute('src')) ?? '';
    expect(url.startsWith('data:image/jpeg;base64,')).toBe(true);
    expect(posts.some(({ body }) => body.includes(url.slice(-200)))).toBe(false);
    expect(requestsForAnswers(posts).at(-1)?.path).toMatch(/^\/v1\/sealed\/jobs/);
    expect(await opened.accessibilityFaults()).toEqual([]);
    await page.reload();
    await page.getByRole('button', { name: 'What is in this image?', exact: true }).click();
    await shown.waitFor();
    opened.expectNoFaults();
  });

  test('shows the calls of a model, and sends the results that the person types', async () => {
    const { opened, page, posts } = await chatPage();
    await using _page = opened;
    await page.goto('/chat?model=sim-vision-7b');
    await page.getByRole('button', { name: 'Add tools' }).click();
    await page.getByLabel('Functions, as a JSON list').fill('[{"name":"two words"}]');
    await page.getByText('Write a JSON list of up to 16 functions').waitFor();
    await page.getByRole('button', { name: 'Insert an example' }).click();
    expect(await opened.accessibilityFaults()).toEqual([]);
    await page.getByRole('button', { name: 'Use these tools' }).click();
    await page.getByRole('button', { name: '1 tool' }).waitFor();
    await say(page, 'How is the weather?');
    await page.getByRole('heading', { name: 'Calls get_weather' }).waitFor();
    await page.getByText('"city":').waitFor();
    const result = `Rain, and ${SECRET}`;
    await page.getByLabel('Result of get_weather').fill(result);
    expect(await opened.accessibilityFaults()).toEqual([]);
    await page.getByRole('button', { name: 'Send the result' }).click();
    await page.locator('.markdown').first().waitFor();
    await page.locator('.evidence data').nth(1).waitFor();
    await page.getByText(result).waitFor();
    expect(posts.some(({ body }) => body.includes(SECRET))).toBe(false);
    expect(requestsForAnswers(posts).map(({ path }) => path)).toEqual([
      expect.stringMatching(/^\/v1\/sealed\/jobs/),
      expect.stringMatching(/^\/v1\/sealed\/jobs/),
    ]);
    opened.expectNoFaults();
  });

  test('sends nothing to a machine whose sealing key the network has exchanged', async () => {
    const { opened, page, posts } = await chatPage();
    await using _page = opened;
    const attackerKey = hex((await generateSealingKeyPair()).publicKey);
    await page.route('**/v1/sealed/sessions', async (route) => {
      const response = await route.fetch();
      const session = (await response.json()) as { offer: object };
      const offer = { ...session.offer, sealing_key: attackerKey };
      await route.fulfill({ response, json: { ...session, offer } });
    });
    await say(page, `The word is ${SECRET}.`);
    await page.getByText('its sealing key is not the one that it has signed').waitFor();
    await page.getByText('Nothing was sent that the network can read').waitFor();
    expect(requestsForAnswers(posts)).toEqual([]);
    expect(posts.some(({ body }) => body.includes(SECRET))).toBe(false);
    opened.expectNoFaults();
  });

  test('sends nothing when the log differs from the one that this browser saw before', async () => {
    const { opened, page, posts } = await chatPage();
    await using _page = opened;
    await say(page, 'Hello');
    await page.locator('.evidence data').waitFor();
    await page.evaluate(`{
      const head = JSON.parse(localStorage.getItem('dinf.log-head'));
      head.root = head.root.replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
      localStorage.setItem('dinf.log-head', JSON.stringify(head));
    }`);
    await page.reload();
    await page.getByText('Your next message is sealed').waitFor();
    const before = requestsForAnswers(posts).length;
    await say(page, `The word is ${SECRET}.`);
    await page.getByText(/entries of the log differ from the ones that it had before/).waitFor();
    expect(requestsForAnswers(posts)).toHaveLength(before);
    expect(posts.some(({ body }) => body.includes(SECRET))).toBe(false);
    opened.expectNoFaults();
  });

  test('says that the network could read the chat, in a browser that cannot seal', async () => {
    const { opened, page, posts } = await chatPage(({ page: prepared }) =>
      prepared.addInitScript(`SubtleCrypto.prototype.generateKey = () =>
        Promise.reject(new DOMException('no X25519', 'NotSupportedError'))`),
    );
    await using _page = opened;
    await page.getByText('The network relays this chat and could read it').waitFor();
    await say(page, 'Hello');
    await page.getByText('first content after').waitFor();
    await page.getByText('Why this machine').click();
    await page.getByText('Machines are compared by').waitFor();
    expect(requestsForAnswers(posts).map(({ path }) => path)).toEqual(['/v1/chat/completions']);
    opened.expectNoFaults();
  });
});
