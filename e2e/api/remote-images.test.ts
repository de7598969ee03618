import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pngUri } from '#http-api/core/images/images-under-test.ts';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';

const ALLOWED = 'https://localhost/a.png';

/** A request with an image, in the format of each API. */
const requests = (url: string) =>
  [
    [
      '/v1/chat/completions',
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }] },
    ],
    [
      '/v1/responses',
      { input: [{ role: 'user', content: [{ type: 'input_image', image_url: url }] }] },
    ],
    [
      '/v1/messages',
      {
        max_tokens: 5,
        messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'url', url } }] }],
      },
    ],
  ] as const;

async function answers(network: TestNetwork, url: string, model = 'sim-vision-7b') {
  const asked = requests(url).map(async ([path, body]) => {
    const { status, json } = await network.ask('POST', path, {
      token: network.apiKey,
      body: { model, ...body },
    });
    return { status, message: json.error.message as string };
  });
  return Promise.all(asked);
}

describe('a network whose operator allows no host', () => {
  let network: TestNetwork;
  beforeAll(async () => {
    network = await startTestNetwork({ providers: 1, tokenMs: 0 });
  });
  afterAll(() => network[Symbol.asyncDispose]());

  test('refuses images that are not inline, and names the reason', async () => {
    for (const { status, message } of await answers(network, ALLOWED)) {
      expect(status).toBe(400);
      expect(message).toContain('must be an inline data: URI');
      expect(message).toContain(`"${ALLOWED}" is not fetched`);
    }
  });
});

describe('a network whose operator allows a host', () => {
  let network: TestNetwork;
  beforeAll(async () => {
    network = await startTestNetwork({
      providers: 1,
      tokenMs: 0,
      config: { imageHosts: ['localhost'] },
    });
  });
  afterAll(() => network[Symbol.asyncDispose]());

  test.each([
    [ALLOWED, 'its host has an address that is not public'],
    ['https://images.example.com/a.png', 'does not allow its host'],
    ['https://2130706433/a.png', 'hosts must have a name'],
    ['http://localhost/a.png', 'only https: addresses are fetched'],
  ])('does not fetch %s: %s', async (url, reason) => {
    for (const { status, message } of await answers(network, url)) {
      expect(status).toBe(400);
      expect(message).toContain(`The image at "${url}" was not fetched: `);
      expect(message).toContain(reason);
    }
    expect(network.logs()).not.toContain(url);
  });

  test('fetches nothing for a model without vision', async () => {
    for (const { message } of await answers(network, ALLOWED, 'sim'))
      expect(message).toContain('it has no vision');
  });

  test('accepts inline images as before', async () => {
    const url = pngUri();
    const [[path, body]] = requests(url);
    const { status } = await network.ask('POST', path, {
      token: network.apiKey,
      body: { model: 'sim-vision-7b', max_tokens: 5, ...body },
    });
    expect(status).toBe(200);
  });
});
