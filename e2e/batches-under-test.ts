import { createHash } from 'node:crypto';
import type OpenAI from 'openai';
import { expect, vi } from 'vitest';
import { services } from '#bus-schemas';
import type { TestNetwork } from './test-network.ts';

/** Batches of chat completions, as tests create and read them with OpenAI's client. */

export const CHAT = '/v1/chat/completions';
const ENDS = ['completed', 'failed', 'expired', 'cancelled'];
const OPERATOR_KEY = 'op-db-for-batches';

export const ask = (content: string, maxTokens = 20) => ({
  model: 'sim',
  messages: [{ role: 'user', content }],
  max_tokens: maxTokens,
});

export const line = (id: string, body: object, fields: object = {}): string =>
  JSON.stringify({ custom_id: id, method: 'POST', url: CHAT, body, ...fields });

export async function upload(client: OpenAI, lines: readonly string[]): Promise<string> {
  const file = new File([`${lines.join('\n')}\n`], 'requests.jsonl');
  return (await client.files.create({ file, purpose: 'batch' })).id;
}

export async function createBatch(
  client: OpenAI,
  lines: readonly string[],
  fields: Partial<OpenAI.BatchCreateParams> = {},
): Promise<OpenAI.Batch> {
  const input_file_id = await upload(client, lines);
  const wanted = { input_file_id, endpoint: CHAT, completion_window: '24h', ...fields } as const;
  return client.batches.create(wanted);
}

/** Waits until the batch has ended. */
export const ended = (client: OpenAI, id: string, timeout = 60_000): Promise<OpenAI.Batch> =>
  vi.waitFor(
    async () => {
      const batch = await client.batches.retrieve(id);
      expect(ENDS).toContain(batch.status);
      return batch;
    },
    { timeout, interval: 50 },
  );

/** The lines of a result file by their custom id. */
export async function results(
  client: OpenAI,
  file: string | null | undefined,
  // biome-ignore lint/suspicious/noExplicitAny: every test asserts the shape that it expects
): Promise<Map<string, any>> {
  const text = await (await client.files.content(file ?? '')).text();
  const lines = text
    .trimEnd()
    .split('\n')
    .map((each) => JSON.parse(each));
  expect(new Set(lines.map((each) => each.custom_id)).size).toBe(lines.length);
  return new Map(lines.map((each) => [each.custom_id as string, each]));
}

/** Lets a test keep the first ingress from running batches, by draining it. */
export async function drainable(network: TestNetwork) {
  const { coordinator } = network.network;
  await coordinator.bus.call(
    services.accounts.createOperator,
    { name: 'olga', keyHash: createHash('sha256').update(OPERATOR_KEY).digest() },
    { timeoutMs: 5_000 },
  );
  return async (draining: boolean): Promise<void> => {
    const url = `${coordinator.adminUrl}/admin/drain`;
    const told = await network.ask('POST', url, { token: OPERATOR_KEY, body: { draining } });
    expect(told.status).toBe(200);
  };
}
