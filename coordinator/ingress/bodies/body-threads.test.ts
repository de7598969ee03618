import pino from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import { BodyThreads, type BodyThreadsOptions } from './body-threads.ts';
import { LargeBody } from './request-body.ts';

function threadsWith(options: Omit<BodyThreadsOptions, 'log'>) {
  const threads = new BodyThreads({ log: pino({ level: 'silent' }), threads: 1, ...options });
  onTestFinished(() => threads[Symbol.asyncDispose]());
  return {
    threads,
    open: (bytes: Uint8Array, { isWanted = (): boolean => true, account = 'acct_ann' } = {}) =>
      LargeBody.open(bytes, { threads, account, isWanted }),
  };
}

const bytesOf = (value: unknown) => Uint8Array.from(Buffer.from(JSON.stringify(value)));
const small = () => bytesOf({ model: 'sim' });
/** A body whose text and values need more than 110 MB. */
const heavy = () => bytesOf({ z: Array(48_000).fill({ a: 'ж'.repeat(600) }) });
const BODY = { account: 'acct_ann', bytes: 1, isWanted: () => true };
const unavailable = expect.objectContaining({ name: 'ApiError', code: 'service_unavailable' });

describe('a thread that ends', () => {
  test('for lack of memory ends one request, and the next one gets another thread', async () => {
    const { open } = threadsWith({ memoryMb: 32 });
    const [lost, next] = [open(heavy()), open(small())];
    await expect(lost).rejects.toEqual(unavailable);
    await using body = await next;
    expect(body.fields).toEqual({ model: 'sim' });
  });

  test('because a body needs too long ends one request, and the next one gets another thread', async () => {
    const { threads, open } = threadsWith({ stuckMs: 1 });
    await expect(open(heavy())).rejects.toEqual(unavailable);
    const thread = await threads.take(BODY);
    expect(thread?.hasEnded).toBe(false);
  });

  test('between two questions refuses the second one', async () => {
    const { threads } = threadsWith({});
    const thread = await threads.take(BODY);
    await thread?.ask({ do: 'open', bytes: small() });
    await thread?.end('a test');
    await expect(thread?.ask({ do: 'value', field: 'model' })).rejects.toEqual(unavailable);
  });
});

describe('requests that wait for a thread', () => {
  test('get it in their order, and one whose client has left does not', async () => {
    const { open } = threadsWith({});
    const first = await open(small());
    const order: string[] = [];
    const waiting = ['second', 'left', 'third'].map(async (name) => {
      await using body = await open(small(), { isWanted: () => name !== 'left' });
      order.push(`${name} ${body.fields['model']}`);
    });
    await first.rest();
    await expect(waiting[1]).rejects.toEqual(unavailable);
    await Promise.all([waiting[0], waiting[2]]);
    expect(order).toEqual(['second sim', 'third sim']);
  });

  test('are refused if their bodies have more bytes together than may wait', async () => {
    const { open } = threadsWith({ maxWaitingBytes: 2 * small().length });
    const first = await open(small());
    const waiting = [open(small()), open(small())];
    await expect(open(small())).rejects.toMatchObject({
      code: 'service_unavailable',
      message: 'Too many large requests are being read.',
      retryAfterMs: expect.any(Number),
    });
    await first.rest();
    for (const body of waiting) await (await body).rest();
    await (await open(small())).rest();
  });

  test('of one account do not make another one wait for all of them', async () => {
    const { open } = threadsWith({ maxWaitingBytes: 3 * small().length });
    const first = await open(small());
    const order: string[] = [];
    const read = async (account: string) => {
      await using _body = await open(small(), { account });
      order.push(account);
    };
    const many = [read('acct_ann'), read('acct_ann'), read('acct_ann')];
    const one = read('acct_bob');
    await expect(many[2]).rejects.toMatchObject({ code: 'service_unavailable' });
    await first.rest();
    await Promise.all([many[0], many[1], one]);
    expect(order).toEqual(['acct_ann', 'acct_bob', 'acct_ann']);
  });

  test('are refused when the ingress stops', async () => {
    const { threads, open } = threadsWith({});
    await open(small());
    const waiting = open(small());
    const refused = expect(waiting).rejects.toEqual(unavailable);
    await threads[Symbol.asyncDispose]();
    await refused;
  });
});
