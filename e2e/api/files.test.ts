import type OpenAI from 'openai';
import { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';

let network: TestNetwork;
let openai: OpenAI;

beforeAll(async () => {
  network = await startTestNetwork({ providers: 0, tokenMs: 0 });
  openai = network.openai({ maxRetries: 0 });
});
afterAll(() => network[Symbol.asyncDispose]());

const MIB = 1_024 * 1_024;
const line = (id: number, text: string) =>
  `${JSON.stringify({ custom_id: `${id}`, method: 'POST', url: '/v1/chat/completions', body: { text } })}\n`;
const create = (text: string, fields: Partial<OpenAI.FileCreateParams> = {}, client = openai) =>
  toFile(Buffer.from(text), 'requests.jsonl').then((file) =>
    client.files.create({ file, purpose: 'batch', ...fields }),
  );
const form = (...parts: (readonly [string, string | File])[]) => {
  const body = new FormData();
  for (const [name, value] of parts) body.append(name, value);
  return network.ask('POST', '/v1/files', { token: network.apiKey, body });
};

describe('a file', () => {
  test('of several parts is stored, listed, read through another ingress and deleted', async () => {
    const text = line(1, 'ü'.repeat(700_000)) + line(2, 'end');
    const file = await create(text);
    expect(file).toMatchObject({
      object: 'file',
      bytes: Buffer.byteLength(text),
      filename: 'requests.jsonl',
      purpose: 'batch',
      status: 'processed',
      expires_at: file.created_at + 30 * 86_400,
    });
    expect(await openai.files.retrieve(file.id)).toEqual(file);
    await using second = await network.secondIngress();
    const there = network.openai({ baseURL: `${second.url}/v1` });
    const content = await there.files.content(file.id);
    expect(content.headers.get('content-type')).toBe('application/octet-stream');
    expect(await content.text()).toBe(text);
    const newer = await create(line(3, 'x'));
    const ids: string[] = [];
    for await (const each of await openai.files.list({ limit: 1 })) ids.push(each.id);
    expect(ids).toEqual([newer.id, file.id]);
    expect(await openai.files.delete(file.id)).toMatchObject({ id: file.id, deleted: true });
    for (const ask of [() => openai.files.retrieve(file.id), () => openai.files.content(file.id)])
      await expect(ask()).rejects.toMatchObject({ status: 404 });
  });

  test('belongs to its API key alone, and is nowhere readable in the database', async () => {
    const secret = 'A request that only its caller may read';
    const { id } = await create(line(1, secret));
    expect(await network.databaseHolds(secret)).toBe(false);
    expect(await network.databaseHolds('requests.jsonl')).toBe(false);
    const sibling = await network.createKey({ creditMicroUsd: 0, account: network.account });
    const stranger = await network.createKey({ creditMicroUsd: 0 });
    for (const { apiKey } of [sibling, stranger]) {
      const client = network.openai({ apiKey });
      expect((await client.files.list()).data).toEqual([]);
      for (const ask of [
        () => client.files.retrieve(id),
        () => client.files.content(id),
        () => client.files.delete(id),
      ])
        await expect(ask()).rejects.toMatchObject({ status: 404 });
    }
    expect(await (await openai.files.content(id)).text()).toBe(line(1, secret));
  });

  test('has the lifetime that its caller asked for', async () => {
    const expires_after = { anchor: 'created_at' as const, seconds: 3_600 };
    const file = await create(line(1, 'x'), { expires_after });
    expect(file.expires_at).toBe(file.created_at + 3_600);
    await expect(
      create(line(1, 'x'), { expires_after: { ...expires_after, seconds: 60 } }),
    ).rejects.toMatchObject({ status: 400, param: 'expires_after[seconds]' });
  });

  test('is not reached through the id of one of its parts', async () => {
    const { id } = await create('{"id":"file_forged","bytes":9}');
    await expect(openai.files.retrieve(`${id}_0`)).rejects.toMatchObject({ status: 404 });
  });
});

describe('an upload is refused', () => {
  const file = new File(['{}\n'], 'requests.jsonl');

  test('with the name of the field that is wrong', async () => {
    const cases = [
      ['purpose', [['file', file]]],
      [
        'purpose',
        [
          ['purpose', 'vision'],
          ['file', file],
        ],
      ],
      ['file', [['purpose', 'batch']]],
      [
        'file',
        [
          ['purpose', 'batch'],
          ['file', new File([], 'empty.jsonl')],
        ],
      ],
      [
        'file',
        [
          ['purpose', 'batch'],
          ['file', new File(['{}'], 'x'.repeat(300))],
        ],
      ],
      [
        'colour',
        [
          ['purpose', 'batch'],
          ['colour', 'red'],
          ['file', file],
        ],
      ],
    ] as const;
    for (const [param, parts] of cases) {
      const told = await form(...parts);
      expect([told.status, told.json.error.param]).toEqual([400, param]);
    }
  });

  test('above 16 MiB, with many fields, as JSON, and cut off; the next one is accepted', async () => {
    const large = new File([Buffer.alloc(16 * MIB + 1, 32)], 'large.jsonl');
    expect((await form(['purpose', 'batch'], ['file', large])).status).toBe(413);
    const many = Array.from({ length: 20 }, (_, index) => [`field${index}`, 'x'] as const);
    expect((await form(...many, ['file', file])).status).toBe(400);
    const json = await network.ask('POST', '/v1/files', { token: network.apiKey, body: {} });
    expect(json.status).toBe(415);
    const cut = await network.ask('POST', '/v1/files', {
      token: network.apiKey,
      headers: { 'content-type': 'multipart/form-data; boundary=x' },
      body: '--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n{',
    });
    expect(cut.status).toBe(400);
    expect((await form(['purpose', 'batch'], ['file', file])).status).toBe(200);
  });
});
