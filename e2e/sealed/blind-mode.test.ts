import { createHash, createHmac } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { InferenceRequest } from '#bus-schemas';
import { startComponentProcess } from '../component-process.ts';
import { expectedText, startTestNetwork, type TestNetwork } from '../test-network.ts';
import {
  answerOf,
  type Customer,
  openJob,
  requestFor,
  startCustomer,
  wishFor,
} from './sealed-network.ts';

let network: TestNetwork;
let customer: Customer;
beforeAll(async () => {
  network = await startTestNetwork({ providers: 2, tokenMs: 5, maxConcurrency: 64 });
  customer = await startCustomer(network.url);
}, 60_000);
afterAll(async () => {
  await customer[Symbol.asyncDispose]();
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

const ask = (words: string) => [{ role: 'user' as const, content: words }];
const authorization = () => `Bearer ${network.apiKey}`;

describe('through the proxy', () => {
  const openai = () =>
    new OpenAI({ baseURL: `${customer.url}/v1`, apiKey: network.apiKey, maxRetries: 0 });

  test('an unmodified SDK gets the same answer as in the clear, streamed and whole, and its receipt', async () => {
    const messages = ask('Who can read this?');
    const whole = await openai()
      .chat.completions.create({ model: 'sim', messages, max_tokens: 20 })
      .withResponse();
    expect(whole.data.choices[0]?.message.content).toBe(expectedText(messages, 20));
    expect(whole.data.usage).toMatchObject({ completion_tokens: 20 });
    expect(whole.response.headers.get('x-provider-trust-level')).toBe('self_signed');
    let text = '';
    for await (const chunk of await openai().chat.completions.create({
      model: 'sim',
      messages,
      max_tokens: 20,
      stream: true,
    }))
      text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toBe(expectedText(messages, 20));
    const job = whole.response.headers.get('x-inference-job-id');
    await vi.waitFor(async () => {
      const receipt = await fetch(`${customer.url}/v1/receipts/${job}`, {
        headers: { authorization: authorization() },
      });
      expect(await receipt.json()).toMatchObject({ job, usage: { completion_tokens: 20 } });
    }, 10_000);
  });

  test('each request gets its own max_tokens, independent of the request before', async () => {
    const messages = ask('How much more?');
    for (const max_tokens of [5, 50, 8]) {
      const { choices, usage } = await openai().chat.completions.create({
        model: 'sim',
        messages,
        max_tokens,
      });
      expect([usage?.completion_tokens, choices[0]?.message.content]).toEqual([
        max_tokens,
        expectedText(messages, max_tokens),
      ]);
    }
    for (let time = 0; time < 2; time += 1) {
      const stream = await openai().chat.completions.create({
        model: 'sim',
        messages,
        stream: true,
      });
      let tokens = 0;
      for await (const chunk of stream) if (chunk.choices[0]?.delta.content && ++tokens > 60) break;
      expect(tokens).toBeGreaterThan(60);
    }
  });

  test('Anthropic’s SDK gets an answer, and models are listed', async () => {
    const anthropic = new Anthropic({
      baseURL: customer.url,
      apiKey: network.apiKey,
      maxRetries: 0,
    });
    const message = await anthropic.messages.create({
      model: 'sim',
      max_tokens: 10,
      messages: ask('Hello'),
    });
    expect(message.content[0]).toMatchObject({
      type: 'text',
      text: expectedText(ask('Hello'), 10),
    });
    expect((await openai().models.list()).data.map(({ id }) => id)).toContain('sim');
  });

  test('a refusal of the coordinator keeps its code and status', async () => {
    await expect(
      openai().chat.completions.create({ model: 'nobody-has-this', messages: ask('Hello') }),
    ).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
    });
    const owner = new OpenAI({
      baseURL: `${customer.url}/v1`,
      apiKey: network.apiKey,
      maxRetries: 0,
      defaultHeaders: { 'x-dinf-route': 'self' },
    });
    await expect(
      owner.chat.completions.create({ model: 'sim', messages: ask('Hello') }),
    ).rejects.toMatchObject({ code: 'no_linked_machine' });
    const stranger = new OpenAI({
      baseURL: `${customer.url}/v1`,
      apiKey: 'sk-db-unknown',
      maxRetries: 0,
    });
    await expect(
      stranger.chat.completions.create({ model: 'sim', messages: ask('Hello') }),
    ).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' });
  });

  test('a full URL in the request line is not followed: the key is sent only to its own network', async () => {
    const { hostname, port } = new URL(customer.url);
    const answer = await new Promise<string>((done, fail) => {
      const socket = connect(Number(port), hostname, () =>
        socket.write(
          `GET http://127.0.0.1:9/v1/models HTTP/1.1\r\nhost: ${hostname}:${port}\r\nauthorization: ${authorization()}\r\nconnection: close\r\n\r\n`,
        ),
      );
      let text = '';
      socket.on('data', (bytes) => {
        text += bytes;
      });
      socket.once('close', () => done(text));
      socket.once('error', fail);
    });
    expect(answer).not.toMatch(/^HTTP\/1.1 200/);
    expect(answer).not.toContain('does not answer');
  });

  test('a foreign Host or Origin is refused, so that no web page can spend the owner’s key', async () => {
    const { port } = new URL(customer.url);
    const statusFor = (headers: Record<string, string>) =>
      new Promise<number | undefined>((resolve, reject) => {
        const asking = request(
          {
            host: '127.0.0.1',
            port,
            path: '/v1/models',
            headers: { authorization: authorization(), ...headers },
          },
          (response) => {
            response.resume();
            resolve(response.statusCode);
          },
        );
        asking.once('error', reject);
        asking.end();
      });
    expect(await statusFor({})).toBe(200);
    expect(await statusFor({ host: `localhost:${port}`, origin: 'http://localhost:3000' })).toBe(
      200,
    );
    expect(await statusFor({ host: `evil.example:${port}` })).toBe(403);
    expect(await statusFor({ origin: 'https://evil.example' })).toBe(403);
    expect(await statusFor({ origin: 'http://192.0.2.1' })).toBe(403);
    expect(await statusFor({ origin: 'null' })).toBe(403);
  });

  test('a client that disconnects stops the machine', async () => {
    const stream = await openai().chat.completions.create({
      model: 'sim',
      messages: ask('Talk for long'),
      max_tokens: 4_000,
      stream: true,
    });
    for await (const _ of stream) break;
    stream.controller.abort();
    await vi.waitFor(() => expect(network.runningSequences()).toBe(0), 10_000);
  });
});

describe('only the machine can read the prompt', () => {
  test('it is in no table, no log and no message on the bus', async () => {
    const secret = 'osprey-7f3a-marmalade';
    const heard: Buffer[] = [];
    const tap = network.network.coordinator.bus.connection.subscribe('>', {
      callback: (_error, { data }) => void heard.push(Buffer.from(data)),
    });
    const request = requestFor(`The word is ${secret}.`, 30);
    const { text } = await answerOf(
      customer.client.run(await openJob(customer, network, request), authorization()),
    );
    expect(text).toBe(expectedText(ask(`The word is ${secret}.`), 30));
    await network.expectMoneyBalances();
    tap.unsubscribe();
    expect(heard.length).toBeGreaterThan(10);
    const answer = text.slice(0, 40);
    for (const words of [secret, answer]) {
      expect(heard.some((data) => data.includes(words))).toBe(false);
      expect(await network.databaseHolds(words)).toBe(false);
      expect(network.logs()).not.toContain(words);
    }
  });

  test.skipIf(process.platform !== 'linux')(
    'it is not in the memory of the ingress, in which a prompt in the clear is found',
    async () => {
      const ingress = await startComponentProcess(network, 'ingress');
      const url = String(
        JSON.parse(ingress.logs().find((line) => line.includes('the API listens')) ?? '{}').url,
      );
      await using own = await startCustomer(url);
      const [sealed, clear] = ['sealed-cormorant-91c2', 'plain-cormorant-5d07'];
      const request = requestFor(`The word is ${sealed}.`, 10);
      await answerOf(own.client.run(await openJob(own, network, request), authorization()));
      const body = JSON.stringify({
        model: 'sim',
        messages: ask(`The word is ${clear}.`),
        max_tokens: 10,
      });
      const headers = { authorization: authorization(), 'content-type': 'application/json' };
      expect(
        (await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers, body })).status,
      ).toBe(200);
      const [foundSealed, foundClear] = await Promise.all([
        memoryHolds(ingress.pid, sealed),
        memoryHolds(ingress.pid, clear),
      ]);
      await ingress.stop();
      expect({ foundSealed, foundClear }).toEqual({ foundSealed: false, foundClear: true });
    },
  );
});

describe('the receipt of a sealed job', () => {
  /** Listens to the whole bus until it is asked where some bytes were. */
  function listen() {
    const heard: Buffer[] = [];
    const callback = (_error: unknown, { data }: { data: Uint8Array }) =>
      void heard.push(Buffer.from(data));
    const tap = network.network.coordinator.bus.connection.subscribe('>', { callback });
    return async (bytes: Buffer) => {
      tap.unsubscribe();
      const isOnBus = heard.some((data) => data.includes(bytes));
      return { isOnBus, isStored: await network.databaseHolds(bytes) };
    };
  }

  const receiptOf = (job: string) =>
    vi.waitFor(async () => {
      const told = await fetch(`${customer.url}/v1/receipts/${job}`, {
        headers: { authorization: authorization() },
      });
      expect(told.status).toBe(200);
      return (await told.json()) as { request_hash: string; response_hash: string };
    }, 10_000);
  const sha256 = (content: string | Uint8Array) => createHash('sha256').update(content).digest();
  const [everywhere, nowhere] = [
    { isOnBus: true, isStored: true },
    { isOnBus: false, isStored: false },
  ];

  test('can be verified with the salt of its client, and nothing else confirms a guessed answer', async () => {
    const whereabouts = listen();
    const openai = new OpenAI({
      baseURL: `${customer.url}/v1`,
      apiKey: network.apiKey,
      maxRetries: 0,
    });
    const asked = { model: 'sim', messages: ask('Is it so?'), max_tokens: 8 };
    const { data, response } = await openai.chat.completions.create(asked).withResponse();
    const receipt = await receiptOf(response.headers.get('x-inference-job-id') as string);
    const answer = data.choices[0]?.message.content as string;
    const salt = Buffer.from(response.headers.get('x-receipt-salt') as string, 'hex');
    const signedFor = createHmac('sha256', salt).update(answer).digest();
    expect(receipt.response_hash).toBe(signedFor.toString('hex'));
    expect(await whereabouts(signedFor)).toEqual(everywhere);
    for (const secret of [sha256(answer), salt]) expect(await whereabouts(secret)).toEqual(nowhere);
  });

  test('does not confirm a guessed request that its client sealed without a cache scope', async () => {
    const whereabouts = listen();
    const request = requestFor('Is it so?', 8);
    const events = customer.client.run(await openJob(customer, network, request), authorization());
    const { value: serving } = await events.next();
    if (serving?.k !== 'serving') throw new Error('the job says first which machine serves it');
    await answerOf(events);
    const { job, offer, receiptSalt } = serving;
    const sealed = InferenceRequest.encode({ ...request, build: offer.build });
    const signedFor = createHmac('sha256', receiptSalt).update(sealed).digest();
    expect((await receiptOf(job)).request_hash).toBe(signedFor.toString('hex'));
    expect(await whereabouts(signedFor)).toEqual(everywhere);
    for (const secret of [sha256(sealed), Buffer.from(receiptSalt)])
      expect(await whereabouts(secret)).toEqual(nowhere);
  });
});

describe('a sealed job', () => {
  test('goes to another machine if the first cannot serve: its client seals again and is charged once', async () => {
    const request = requestFor('Who else is there?', 12);
    const job = await openJob(customer, network, request);
    const first = network.providers.find(({ id }) => id === job.place.offer.provider);
    first?.agent.setDraining(true);
    const answered = await answerOf(customer.client.run(job, authorization()));
    first?.agent.setDraining(false);
    expect(answered).toMatchObject({
      attempts: 2,
      text: expectedText(ask('Who else is there?'), 12),
    });
    expect(answered.provider).not.toBe(job.place.offer.provider);
    const charges = (await network.charges()).filter((charge) => charge.job === job.place.job);
    expect(charges).toMatchObject([{ outcome: 'settled', completionTokens: 12 }]);
  });

  test('that never sends its sealed request loses its place, and its hold is refunded', async () => {
    const request = requestFor('I changed my mind', 12);
    const job = await openJob(customer, network, request);
    expect(await network.promisedSlots()).toBeGreaterThan(0);
    await vi.waitFor(async () => expect(await network.promisedSlots()).toBe(0), {
      timeout: 15_000,
      interval: 200,
    });
    const charges = (await network.charges()).filter((charge) => charge.job === job.place.job);
    expect(charges).toMatchObject([{ chargedMicroUsd: 0 }]);
    await expect(answerOf(customer.client.run(job, authorization()))).rejects.toMatchObject({
      status: 410,
    });
  }, 30_000);

  test('can be used only with its own key and with a request of the announced size', async () => {
    const request = requestFor('Mine', 12);
    const job = await openJob(customer, network, request);
    const { apiKey } = await network.createKey({ creditMicroUsd: 1_000_000 });
    // Each attempt uses a client of its own, because a client never seals twice for the same job.
    await using stranger = await startCustomer(network.url);
    await using other = await startCustomer(network.url);
    await expect(answerOf(stranger.client.run(job, `Bearer ${apiKey}`))).rejects.toMatchObject({
      status: 404,
    });
    const longer = requestFor('Mine'.repeat(100), 12);
    await expect(
      answerOf(
        other.client.run(
          { ...job, request: longer, wish: { ...job.wish, requestBytes: 10_000 } },
          authorization(),
        ),
      ),
    ).rejects.toMatchObject({
      status: 400,
    });
    expect((await answerOf(customer.client.run(job, authorization()))).text).toBe(
      expectedText(ask('Mine'), 12),
    );
  });

  test('needs no session for a machine that answered before, and gets one if that machine cannot serve', async () => {
    const request = requestFor('And once more', 12);
    const asked = { wish: wishFor(request), request };
    const next = async () => ({
      ...asked,
      place: await customer.client.place(asked.wish, authorization()),
    });
    await answerOf(customer.client.run(await openJob(customer, network, request), authorization()));
    const again = await next();
    expect(again.place.isHeld).toBe(false);
    expect(await answerOf(customer.client.run(again, authorization()))).toMatchObject({
      attempts: 1,
      provider: again.place.offer.provider,
    });
    await using newcomer = await startCustomer(network.url);
    await expect(answerOf(newcomer.client.run(again, authorization()))).resolves.toMatchObject({
      text: expectedText(ask('And once more'), 12),
    });
    const busy = await next();
    const machine = network.providers.find(({ id }) => id === busy.place.offer.provider);
    machine?.agent.setDraining(true);
    const other = await answerOf(customer.client.run(busy, authorization()));
    machine?.agent.setDraining(false);
    expect(other).toMatchObject({ text: expectedText(ask('And once more'), 12) });
    expect(other.provider).not.toBe(machine?.id);
  });

  test('can be opened if the machine has renewed its key since the offer; the next job uses the new key at once', async () => {
    const request = requestFor('Between two keys', 12);
    const job = await openJob(customer, network, request);
    const machine = network.providers.find(({ id }) => id === job.place.offer.provider);
    await machine?.agent.rotateKeys();
    expect(await answerOf(customer.client.run(job, authorization()))).toMatchObject({
      attempts: 1,
      text: expectedText(ask('Between two keys'), 12),
    });
    const only = { ...job.wish, provider: { only: [job.place.offer.provider] } };
    await vi.waitFor(
      async () => {
        const later = {
          wish: only,
          request,
          place: await customer.client.open(only, authorization()),
        };
        expect(await answerOf(customer.client.run(later, authorization()))).toMatchObject({
          attempts: 1,
        });
        expect(later.place.offer.sealing_key).not.toBe(job.place.offer.sealing_key);
      },
      { timeout: 15_000, interval: 500 },
    );
  });

  test('of many parts arrives complete', async () => {
    const request = requestFor('word '.repeat(250_000), 5);
    expect(InferenceRequest.encode(request).length).toBeGreaterThan(1_000_000);
    await expect(openJob(customer, network, request)).rejects.toMatchObject({
      code: 'context_length_exceeded',
    });
    const shorter = requestFor('word '.repeat(100_000), 5);
    const job = await openJob(customer, network, shorter);
    expect((await answerOf(customer.client.run(job, authorization()))).text).toBe(
      expectedText(shorter.chat.messages as { role: string; content: string }[], 5),
    );
  });
});

/** Whether any writable memory page of the process contains the text. */
async function memoryHolds(pid: number, text: string): Promise<boolean> {
  const [utf8, utf16] = [Buffer.from(text, 'latin1'), Buffer.from(text, 'utf16le')];
  await using memory = await open(`/proc/${pid}/mem`, 'r');
  for (const line of (await readFile(`/proc/${pid}/maps`, 'utf8')).split('\n')) {
    const [, from = '', until = ''] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
    if (from === '') continue;
    const [start, end] = [Number.parseInt(from, 16), Number.parseInt(until, 16)];
    const page = Buffer.alloc(end - start);
    // Some mappings cannot be read even by root; skip them.
    const read = await memory.read(page, 0, page.length, start).catch(() => undefined);
    if (read !== undefined && (page.includes(utf8) || page.includes(utf16))) return true;
  }
  return false;
}
