import {
  type Exchange,
  encodeRequest,
  HttpStreamClient,
  type Target,
} from './http-stream-client.ts';

export interface LoadResult {
  readonly latenciesMs: readonly number[];
  readonly firstBytesMs: readonly number[];
  readonly gapsMs: readonly number[];
  readonly perSecond: number;
  readonly failed: number;
  /** Failed requests that the server refused with 429. */
  readonly refused: number;
}

export interface Load {
  readonly concurrency: number;
  readonly requests: number;
  readonly maxTokens: number;
  readonly stream: boolean;
}

export const requestBody = ({ maxTokens, stream }: Pick<Load, 'maxTokens' | 'stream'>) =>
  JSON.stringify({
    model: 'sim-llama-8b',
    max_tokens: maxTokens,
    stream,
    messages: [
      { role: 'user', content: 'What is the weather like on the moon today, and tomorrow?' },
    ],
  });

/**
 * Sends requests over concurrent connections; each sends its next request after the last response.
 */
export async function run(target: Target, load: Load): Promise<LoadResult> {
  const request = encodeRequest(target, requestBody(load));
  const clients = await Promise.all(
    Array.from({ length: load.concurrency }, () => HttpStreamClient.open(target)),
  );
  const exchanges: Exchange[] = [];
  let left = load.requests;
  const startedAt = performance.now();
  await Promise.all(
    clients.map(async (client) => {
      while (left > 0) {
        left -= 1;
        exchanges.push(await client.exchange(request));
      }
    }),
  );
  const seconds = (performance.now() - startedAt) / 1_000;
  for (const client of clients) client[Symbol.dispose]();
  const good = exchanges.filter(isGood);
  const bad = exchanges.filter((exchange) => !isGood(exchange));
  if (bad[0] !== undefined && good.length === 0)
    throw new Error(`${target.name} answered ${bad[0].status}: ${bad[0].body.slice(0, 300)}`);
  return {
    latenciesMs: good.map(({ totalMs }) => totalMs),
    firstBytesMs: good.map(({ firstByteMs }) => firstByteMs),
    gapsMs: good.flatMap(({ gapsMs }) => gapsMs),
    perSecond: good.length / seconds,
    failed: bad.length,
    refused: bad.filter(({ status }) => status === 429).length,
  };
}

export const isGood = ({ status, body: text }: Exchange) =>
  status === 200 && (text.startsWith('{') ? text.includes('"choices"') : text.includes('[DONE]'));
