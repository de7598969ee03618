import { expect, test } from 'vitest';
import type { JsonObject } from '#http-api/core/json.ts';
import { ImageError } from './image-address.ts';
import { addressesIn, withImages, withPlaceholders } from './images-of-chat.ts';
import { RemoteImages } from './remote-images.ts';

const RULES = { hosts: ['images.example.com'], maxBytes: 1_000 };
const PNG = 'data:image/png;base64,iVBORw0KGgo=';
const image = (url: string) => ({ type: 'image_url', image_url: { url, detail: 'low' } });
const text = { type: 'text', text: 'What is this?' };
const chat = (...urls: string[]): JsonObject => ({
  model: 'sim',
  messages: [
    { role: 'system', content: 'Be short.' },
    { role: 'user', content: [text, ...urls.map(image)] },
  ],
});
const fetching = (fetchImage: (address: string) => Promise<string>) =>
  new RemoteImages({ rules: RULES, fetchImage });

test('addresses are replaced by their images, each fetched once, and all else stays', async () => {
  const asked: string[] = [];
  const images = fetching(async (address) => {
    asked.push(address);
    return `data:image/gif;base64,${address.length}`;
  });
  const request = chat('https://a/1', PNG, 'https://a/22', 'https://a/1');
  const before = structuredClone(request);
  const fetched = await images.fetchAll(addressesIn(request), 'acct_ann');
  expect(withImages(request, fetched)).toEqual(
    chat('data:image/gif;base64,11', PNG, 'data:image/gif;base64,12', 'data:image/gif;base64,11'),
  );
  expect(request).toEqual(before);
  expect(asked).toEqual(['https://a/1', 'https://a/22']);
});

test('before an image is fetched, a small inline one stands for it', () => {
  const placed = withPlaceholders(chat('https://a/1', PNG));
  expect(JSON.stringify(placed)).not.toContain('https:');
  expect(JSON.stringify(placed)).toContain('data:image/gif;base64,');
  for (const without of [chat(), chat(PNG), { messages: 'none' }, { messages: [null] }, {}])
    expect(addressesIn(without)).toEqual([]);
});

test('more than eight images are refused before one is fetched', () => {
  const nine = chat(...Array.from({ length: 9 }, (_, index) => `https://a/${index}`));
  expect(() => addressesIn(nine)).toThrow('At most 8 images');
});

test('the reason of a refusal names the address, the field and what to do', async () => {
  const images = fetching(() =>
    Promise.reject(new ImageError('unreachable', 'its server answered 404')),
  );
  await expect(images.fetchAll(['https://a/1'], 'acct_ann')).rejects.toMatchObject({
    code: 'invalid_request',
    param: 'messages',
    message:
      'The image at "https://a/1" was not fetched: its server answered 404. Send it inline as a data: URI.',
  });
});

test('images that are too large together are refused', async () => {
  const images = fetching(async () => 'x'.repeat(7 * 1_024 * 1_024));
  await expect(images.fetchAll(['https://a/1', 'https://a/2'], 'a')).rejects.toMatchObject({
    code: 'payload_too_large',
  });
});

test('an account fetches for four requests at a time, an ingress for sixteen', async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const images = fetching(() => promise);
  const ask = (account: string) => images.fetchAll(['https://a/1'], account);
  const running = Array.from({ length: 4 }, () => ask('acct_ann'));
  await expect(ask('acct_ann')).rejects.toMatchObject({ code: 'service_unavailable' });
  for (const account of ['b', 'c', 'd'])
    running.push(...Array.from({ length: 4 }, () => ask(account)));
  await expect(ask('acct_eve')).rejects.toMatchObject({ code: 'service_unavailable' });
  resolve(PNG);
  expect(await Promise.all(running)).toHaveLength(16);
  expect(await ask('acct_ann')).toEqual(new Map([['https://a/1', PNG]]));
});
