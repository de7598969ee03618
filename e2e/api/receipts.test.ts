import { execFile } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { faultOfReceipt, isReceiptFor } from '#client';
import { DINF, operatorSettings } from '../dinf-program.ts';
import { type ApiResponse, startTestNetwork, type TestNetwork } from '../test-network.ts';

const run = promisify(execFile);
const chat = { model: 'sim', messages: [{ role: 'user', content: 'What did I pay for?' }] };

let network: TestNetwork;
beforeAll(async () => {
  network = await startTestNetwork({
    providers: 1,
    tokenMs: 5,
    config: { minimumChargeMicroUsd: 100 },
  });
});
afterAll(async () => {
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

const receiptOf = (job: string, token = network.apiKey) =>
  network.ask('GET', `/v1/receipts/${job}`, { token });
const settled = (job: string): Promise<ApiResponse> =>
  vi.waitFor(async () => {
    const told = await receiptOf(job);
    expect(told.status).toBe(200);
    return told;
  }, 10_000);

/** Time for seven runs of the program, each of which takes many seconds on a busy machine. */
const VERIFIED_MS = 180_000;

async function verify(receipt: unknown, ...options: string[]): Promise<string> {
  const file = join(network.network.home, 'receipt.json');
  await writeFile(file, JSON.stringify(receipt));
  const env = {
    ...process.env,
    ...operatorSettings(network.network),
    DINF_NATS_URL: 'nats://127.0.0.1:1',
  };
  return (
    await run(process.execPath, [DINF, 'verify', 'receipt', file, ...options], {
      env,
      timeout: 30_000,
    })
  ).stdout;
}

test(
  'a request has a receipt for its answer and its charge, which can be verified without the network',
  async () => {
    const asked = await network.ask('POST', '/v1/chat/completions', {
      token: network.apiKey,
      body: { ...chat, max_tokens: 8 },
    });
    const job = asked.headers.get('x-inference-job-id') as string;
    const { json: receipt } = await settled(job);
    const [charge] = await network.charges();
    expect(receipt).toMatchObject({
      object: 'receipt',
      job,
      attempt: 1,
      provider: network.providers[0]?.id,
      charged_micro_usd: charge?.chargedMicroUsd,
    });
    expect(receipt.usage).toMatchObject({
      prompt_tokens: asked.json.usage.prompt_tokens,
      completion_tokens: asked.json.usage.completion_tokens,
    });
    const answer = asked.json.choices[0].message.content;
    const salt = asked.headers.get('x-receipt-salt') as string;
    expect(receipt.response_hash).toBe(
      createHmac('sha256', Buffer.from(salt, 'hex')).update(answer).digest('hex'),
    );
    const { keys } = (await network.ask('GET', '/v1/receipt-keys')).json;
    const file = join(network.network.home, 'answer.txt');
    await writeFile(file, answer);
    expect(await verify(receipt, '--key', keys[0], '--answer', file, '--salt', salt)).toMatch(
      new RegExp(
        `^${job}: A\\S+ did it and it cost ${charge?.chargedMicroUsd} micro-dollars. Both signatures hold, and the answer is the one`,
      ),
    );
    expect(await verify(receipt)).toContain(`The coordinator’s key is ${keys[0]}`);
    await expect(verify({ ...receipt, charged_micro_usd: 1 })).rejects.toThrow(
      /the signature of the coordinator does not match the receipt/,
    );
    await expect(verify(receipt, '--key', '00'.repeat(32))).rejects.toThrow(
      /another coordinator’s key/,
    );
    await expect(verify(receipt, '--answer', file)).rejects.toThrow(/needs the salt of its answer/);
    await expect(verify(receipt, '--answer', file, '--salt', 'ab'.repeat(32))).rejects.toThrow(
      /not the answer that this receipt is for/,
    );
    await writeFile(file, `${answer}!`);
    await expect(verify(receipt, '--answer', file, '--salt', salt)).rejects.toThrow(
      /not the answer that this receipt is for/,
    );
  },
  VERIFIED_MS,
);

/** Requests that are sent at once, so that several of their answers end together. */
const TOGETHER = 24;

test(
  'receipts that a machine signed together are verified one by one with the client library',
  async () => {
    const askAll = () =>
      Promise.all(
        Array.from({ length: TOGETHER }, async (_, index) => {
          const messages = [{ role: 'user', content: `Question ${index}` }];
          const { json, headers } = await network.ask('POST', '/v1/chat/completions', {
            token: network.apiKey,
            body: { model: 'sim', messages, max_tokens: 8 },
          });
          const job = headers.get('x-inference-job-id') as string;
          const salt = Buffer.from(headers.get('x-receipt-salt') as string, 'hex');
          const answer = Buffer.from(json.choices[0].message.content);
          return { receipt: (await settled(job)).json, salt, answer };
        }),
      );
    // Groups are ordered some seconds after the start, and which answers end together is chance.
    const asked = await vi.waitFor(
      async () => {
        const all = await askAll();
        expect(all.filter(({ receipt }) => receipt.group !== undefined).length).toBeGreaterThan(1);
        return all;
      },
      { timeout: 90_000 },
    );
    for (const { receipt, salt, answer } of asked) {
      expect(faultOfReceipt(receipt)).toBeUndefined();
      expect(isReceiptFor(receipt, answer, salt)).toBe(true);
    }
    const grouped = asked.filter(({ receipt }) => receipt.group !== undefined);
    const [{ receipt }] = grouped as [(typeof grouped)[0]];
    const mates = grouped.filter((other) => other.receipt.signature === receipt.signature);
    expect(mates.length).toBe(receipt.group.size);
    expect(await verify(receipt)).toContain('Both signatures hold');
    const elsewhere = { ...receipt, group: mates.at(-1)?.receipt.group };
    expect(faultOfReceipt(elsewhere)).toMatch(/the signature of the provider does not match/);
  },
  VERIFIED_MS,
);

test('neither the database nor the bus confirms a guessed answer or has the salt that would', async () => {
  const heard: Buffer[] = [];
  const tap = network.network.coordinator.bus.connection.subscribe('>', {
    callback: (_error, { data }) => void heard.push(Buffer.from(data)),
  });
  const asked = await network.ask('POST', '/v1/chat/completions', {
    token: network.apiKey,
    body: { ...chat, max_tokens: 8 },
  });
  const { json: receipt } = await settled(asked.headers.get('x-inference-job-id') as string);
  tap.unsubscribe();
  const salt = Buffer.from(asked.headers.get('x-receipt-salt') as string, 'hex');
  const guess = createHash('sha256').update(asked.json.choices[0].message.content).digest();
  const holds = (bytes: Buffer) =>
    heard.some((data) => data.includes(bytes) || data.includes(bytes.toString('hex')));
  const stores = (bytes: Buffer) => network.databaseHolds(bytes);
  const signedFor = Buffer.from(receipt.response_hash, 'hex');
  expect([holds(signedFor), await stores(signedFor)]).toEqual([true, true]);
  for (const secret of [guess, salt])
    expect([holds(secret), await stores(secret)]).toEqual([false, false]);
});

test('a stream contains its receipt before its end if the request asks for it', async () => {
  const body = { ...chat, max_tokens: 8, stream: true };
  const { text, headers } = await network.ask('POST', '/v1/chat/completions', {
    token: network.apiKey,
    body,
    headers: { 'x-dinf-receipt': 'on' },
  });
  const [, printed = '', rest] = /event: receipt\ndata: (.*)\n\n([\s\S]*)/.exec(text) ?? [];
  expect(rest).toMatch(/finish_reason[\s\S]*\[DONE\]/);
  const receipt = JSON.parse(printed);
  expect(headers.get('x-receipt-salt')).toMatch(/^[0-9a-f]{64}$/);
  expect(receipt).toMatchObject({
    job: headers.get('x-inference-job-id'),
    usage: { completion_tokens: 8 },
  });
  expect(await verify(receipt)).toContain('Both signatures hold');
});

test('a stream of several choices is refused if the request asks for its receipt', async () => {
  const told = await network.ask('POST', '/v1/chat/completions', {
    token: network.apiKey,
    body: { ...chat, max_tokens: 2, stream: true, n: 2 },
    headers: { 'x-dinf-receipt': 'on' },
  });
  expect([told.status, told.json.error.param]).toEqual([400, 'n']);
});

test('a stream that its client aborted has a receipt for the delivered part', async () => {
  const leave = new AbortController();
  const response = await fetch(`${network.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${network.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ...chat, max_tokens: 2_000, stream: true }),
    signal: leave.signal,
  });
  const reader = response.body?.getReader();
  for (let chunk = 0; chunk < 5; chunk += 1) await reader?.read();
  leave.abort();
  const { json: receipt } = await settled(response.headers.get('x-inference-job-id') as string);
  expect(receipt.finish).toBe('cancelled');
  expect(receipt.usage.completion_tokens).toBeGreaterThan(0);
  expect(receipt.usage.completion_tokens).toBeLessThan(2_000);
  expect(await verify(receipt)).toContain('Both signatures hold');
});

test('a receipt can be read neither by another account nor by another key of the account', async () => {
  const asked = await network.ask('POST', '/v1/chat/completions', {
    token: network.apiKey,
    body: { ...chat, max_tokens: 1 },
  });
  const job = asked.headers.get('x-inference-job-id') as string;
  await settled(job);
  const [stranger, sibling] = [
    await network.createKey({ creditMicroUsd: 0 }),
    await network.createKey({ creditMicroUsd: 0, account: network.account }),
  ];
  for (const { apiKey } of [stranger, sibling])
    expect((await receiptOf(job, apiKey)).status).toBe(404);
  expect((await receiptOf(job, '')).status).toBe(401);
  expect((await receiptOf('job_none')).status).toBe(400);
});
