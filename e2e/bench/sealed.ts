import { cpus } from 'node:os';
import { InferenceRequest } from '#bus-schemas';
import { SealedClient } from '#client';
import { type Load, run } from './load.ts';
import { startOurs, startProxy } from './processes.ts';
import { percentile, show, spread } from './statistics.ts';

const sizes = {
  full: { rounds: 7, requests: { 1: 300, 16: 1_600 } },
  smoke: { rounds: 2, requests: { 1: 40, 16: 160 } },
} as const;
const TOKENS = 8;
const say = (line = '') => console.log(line);

interface Measurement {
  readonly latenciesMs: readonly number[];
  readonly perSecond: number;
}
type Measure = (load: Load) => Promise<Measurement>;

/**
 * Compares requests in the clear, requests sealed by the client library, and requests through `dinf
 * proxy`.
 */
export async function benchSealed(name: keyof typeof sizes): Promise<void> {
  const { rounds, requests } = sizes[name];
  const [{ model = 'unknown' } = {}] = cpus();
  say(
    `${name} size; ${cpus().length} × ${model}; node ${process.version}. Times in ms; median of the rounds (least–most).`,
  );
  await using ours = await startOurs(0);
  const url = `http://${ours.target.host}:${ours.target.port}`;
  await using proxy = await startProxy(ours.target, url);
  using client = new SealedClient({ url, minimumLevel: 'self_signed' });
  const authorization = ours.target.headers['authorization'] ?? '';
  const ways: readonly [string, Measure][] = [
    ['relay', (load) => run(ours.target, load)],
    ['sealed by a program', (load) => runSealed(client, authorization, load)],
    ['through dinf proxy', (load) => run(proxy.target, load)],
  ];
  for (const [, measure] of ways)
    await measure({ concurrency: 16, requests: 200, maxTokens: TOKENS, stream: true });
  for (const concurrency of [1, 16] as const) {
    const load = { concurrency, requests: requests[concurrency], maxTokens: TOKENS, stream: true };
    const results = ways.map(([way]) => ({ way, p50: [] as number[], rate: [] as number[] }));
    for (let round = 0; round < rounds; round += 1) {
      for (const [index, [, measure]] of ways.entries()) {
        const { latenciesMs, perSecond } = await measure(load);
        results[index]?.p50.push(percentile(latenciesMs, 0.5));
        results[index]?.rate.push(perSecond);
      }
    }
    say(
      `\nstreamed answers of ${TOKENS} tokens, c=${concurrency}, ${rounds} rounds of ${load.requests}`,
    );
    const [base] = results;
    for (const { way, p50, rate } of results) {
      const added = spread(p50.map((value, round) => value - (base?.p50[round] ?? 0)));
      const share = spread(rate.map((value, round) => (100 * value) / (base?.rate[round] ?? 1)));
      const beside =
        way === base?.way
          ? ''
          : `  added p50 ${show(added)}  ${show(share, 0)} % of the requests/s`;
      say(
        `  ${way.padEnd(20)} ${show(spread(rate), 0).padStart(18)}/s  p50 ${show(spread(p50))}${beside}`,
      );
    }
  }
}

async function runSealed(
  client: SealedClient,
  authorization: string,
  { concurrency, requests, maxTokens }: Load,
): Promise<Measurement> {
  const request: InferenceRequest = {
    chat: {
      messages: [
        { role: 'user', content: 'What is the weather like on the moon today, and tomorrow?' },
      ],
      max_tokens: maxTokens,
    },
  };
  const wish = {
    model: 'sim-llama-8b',
    maxTokens,
    requestBytes: InferenceRequest.encode(request).length,
  };
  const latenciesMs: number[] = [];
  let left = requests;
  const startedAt = performance.now();
  const one = async () => {
    while (left > 0) {
      left -= 1;
      const askedAt = performance.now();
      for await (const _ of client.run(
        { wish, request, place: await client.place(wish, authorization) },
        authorization,
      ));
      latenciesMs.push(performance.now() - askedAt);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, one));
  return { latenciesMs, perSecond: requests / ((performance.now() - startedAt) / 1_000) };
}
