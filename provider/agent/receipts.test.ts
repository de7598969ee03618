import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, test, vi } from 'vitest';
import { newJobId, type Receipt, Receipts } from '#bus-schemas';
import { ReceiptKeeper } from './receipts.ts';

const receipt = (): Receipt => ({
  job: newJobId(),
  attempt: 1,
  build: 'sim-llama-8b-q4',
  finish: 'stop',
  requestHash: new Uint8Array(32),
  responseHash: new Uint8Array(32),
  usage: { promptTokens: 1, cachedTokens: 0, completionTokens: 1 },
});

test('receipts that wait for others share the message of the first one that is due', async () => {
  const messages: string[][] = [];
  await using keeper = await ReceiptKeeper.open({
    send: (payload) => void messages.push(Receipts.decode(payload).receipts.map(({ job }) => job)),
    log: pino({ level: 'silent' }),
  });
  const [first, second] = [receipt(), receipt()];
  keeper.add(first, 0);
  keeper.add(second, 200);
  for (let now = 0; now <= 1_200; now += 50) keeper.tick(now);
  expect(messages).toEqual([[first.job, second.job]]);
  keeper.acknowledged([{ job: first.job, attempt: 1 }]);
  keeper.tick(1_250);
  expect(messages.slice(1)).toEqual([[second.job]]);
});

test('receipts that cannot be saved are logged, end no process, and are saved when the disk works again', async () => {
  const lines: string[] = [];
  const parent = await mkdtemp(join(tmpdir(), 'dinf-receipts-'));
  const folder = join(parent, 'state');
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) });
  const keeper = await ReceiptKeeper.open({
    send: () => undefined,
    file: join(folder, 'receipts.json'),
    log,
  });
  keeper.add(receipt(), 0);
  await vi.waitFor(() => expect(lines.join('')).toMatch(/receipts could not be saved.*/), {
    timeout: 10_000,
  });
  await mkdir(folder);
  await vi.waitFor(
    async () =>
      expect(JSON.parse(await readFile(join(folder, 'receipts.json'), 'utf8'))).toHaveLength(1),
    { timeout: 10_000 },
  );
  await keeper[Symbol.asyncDispose]();
  await rm(parent, { recursive: true });
});
