import { setTimeout as delay } from 'node:timers/promises';
import { encodeRequest, HttpStreamClient, type Target } from './http-stream-client.ts';
import { isGood, type Load, requestBody } from './load.ts';

export interface OpenLoad extends Omit<Load, 'concurrency' | 'requests'> {
  readonly perSecond: number;
  readonly seconds: number;
  /** Time after which a client has no use for its answer and leaves, in milliseconds. */
  readonly deadlineMs: number;
}

export interface OpenResult {
  readonly sent: number;
  /** Answers before the end of the load and within the deadline, for each second. */
  readonly goodPerSecond: number;
  readonly goodMs: readonly number[];
  /** The answers with another status. */
  readonly refused: readonly { readonly status: number; readonly ms: number }[];
  /** Requests without an answer within the deadline. */
  readonly late: number;
}

/**
 * Sends requests at a fixed rate, whether or not earlier ones have been answered, as independent
 * clients do. Each client keeps its connection for its next request.
 */
export async function offer(
  target: Target,
  { perSecond, seconds, deadlineMs, ...load }: OpenLoad,
): Promise<OpenResult> {
  const startedAt = performance.now();
  const request = encodeRequest(target, requestBody(load));
  const idle: HttpStreamClient[] = [];
  const goodMs: number[] = [];
  const refused: { status: number; ms: number }[] = [];
  let late = 0;
  let inTime = 0;
  const send = async (): Promise<void> => {
    const timer = new AbortController();
    const client = idle.pop() ?? (await HttpStreamClient.open(target));
    const answered = client.exchange(request);
    const exchange = await Promise.race([
      answered.catch(() => undefined),
      delay(deadlineMs, undefined, { signal: timer.signal }).catch(() => undefined),
    ]);
    timer.abort();
    if (exchange === undefined) {
      late += 1;
      answered.catch(() => undefined);
      return client[Symbol.dispose]();
    }
    idle.push(client);
    if (isGood(exchange)) {
      goodMs.push(exchange.totalMs);
      if (performance.now() < startedAt + seconds * 1_000) inTime += 1;
    } else refused.push({ status: exchange.status, ms: exchange.totalMs });
  };
  const sending: Promise<void>[] = [];
  const total = Math.round(perSecond * seconds);
  while (sending.length < total) {
    const due = Math.floor(((performance.now() - startedAt) / 1_000) * perSecond);
    while (sending.length < Math.min(due, total)) sending.push(send());
    await delay(2);
  }
  await Promise.all(sending);
  for (const client of idle) client[Symbol.dispose]();
  return { sent: total, goodPerSecond: inTime / seconds, goodMs, refused, late };
}
