import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { startProviderProcess } from '../provider-process.ts';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';
import { attributeOf, OtlpReceiver, type ReceivedSpan } from './otlp-receiver.ts';

const SECRET = 'the-secret-word-of-this-prompt';
const MODEL = 'sim-llama-8b';
/** The collector gets the last figures when a process ends. */
const ENDS_MS = 20_000;

let receiver: OtlpReceiver;
let network: TestNetwork;
let provider: Awaited<ReturnType<typeof startProviderProcess>>;
let started: AsyncDisposableStack;
beforeAll(async () => {
  await using stack = new AsyncDisposableStack();
  receiver = stack.use(await OtlpReceiver.start());
  network = stack.use(
    await startTestNetwork({
      providers: 0,
      tokenMs: 1,
      config: { otel: { endpoint: receiver.url, headers: { 'x-test': 'yes' }, share: 1 } },
    }),
  );
  provider = stack.use(
    await startProviderProcess(
      network,
      ['--engine', 'simulated', '--token', await network.network.enrolToken()],
      undefined,
      { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url },
    ),
  );
  started = stack.move();
}, 60_000);
afterAll(() => started[Symbol.asyncDispose]());

const ask = (body: object = {}) =>
  network.ask('POST', '/v1/chat/completions', {
    token: network.apiKey,
    body: {
      model: MODEL,
      messages: [{ role: 'user', content: SECRET }],
      max_tokens: 4,
      stream: true,
      ...body,
    },
  });

const traces = () => receiver.spans.filter(({ name }) => name === `chat ${MODEL}`).length;

describe('with a collector of OpenTelemetry', () => {
  test('a request is one trace from the ingress over routing and settlement to the provider', async () => {
    await vi.waitFor(async () => expect((await ask()).status).toBe(200));
    const ofLast = (): ReceivedSpan[] => {
      const root = receiver.spans.findLast(
        ({ name, status }) => name === `chat ${MODEL}` && status.code === undefined,
      );
      return receiver.spans.filter(({ traceId }) => traceId === root?.traceId);
    };
    await vi.waitFor(() =>
      expect(
        ofLast()
          .map(({ name, service }) => `${service}: ${name}`)
          .toSorted(),
      ).toEqual([
        'dinf-coordinator: attempt',
        `dinf-coordinator: chat ${MODEL}`,
        'dinf-coordinator: routing.reserve-0',
        'dinf-coordinator: settlement.hold',
        expect.stringMatching(/^dinf-provider: generate sim-llama-8b/),
      ]),
    );
    const spans = ofLast();
    const named = (start: string) => spans.find(({ name }) => name.startsWith(start));
    const root = named('chat');
    expect(root?.parentSpanId).toBeUndefined();
    for (const name of ['routing', 'settlement', 'attempt'])
      expect(named(name)?.parentSpanId).toBe(root?.spanId);
    expect(named('generate')?.parentSpanId).toBe(named('attempt')?.spanId);
    const { attributes = [] } = root ?? {};
    expect(attributeOf(attributes, 'gen_ai.provider.name')).toBe('d-inference');
    expect(attributeOf(attributes, 'gen_ai.operation.name')).toBe('chat');
    expect(attributeOf(attributes, 'gen_ai.request.model')).toBe(MODEL);
    expect(attributeOf(attributes, 'gen_ai.usage.output_tokens')).toBe('4');
    for (const { startTimeUnixNano, endTimeUnixNano } of spans)
      expect(BigInt(endTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(startTimeUnixNano));
  });

  test('the coordinator continues no trace of a client, and routes of the API go on without one', async () => {
    const traceId = 'a'.repeat(32);
    const before = traces();
    await network.ask('POST', '/v1/chat/completions', {
      token: network.apiKey,
      headers: { traceparent: `00-${traceId}-${'b'.repeat(16)}-01` },
      body: { model: MODEL, messages: [{ role: 'user', content: 'Hi' }], max_tokens: 1 },
    });
    await vi.waitFor(() => expect(traces()).toBe(before + 1));
    expect(receiver.spans.map((span) => span.traceId)).not.toContain(traceId);
  });

  test('its headers are sent, and nothing contains a prompt, an answer, a key or an account', async () => {
    const before = traces();
    const { text } = await ask({ stream: false });
    const answer = JSON.parse(text).choices[0].message.content as string;
    expect(answer.length).toBeGreaterThan(0);
    await vi.waitFor(() => expect(traces()).toBe(before + 1));
    expect(receiver.headers).toContain('yes');
    const sent = receiver.bodies.join('\n');
    for (const private_ of [SECRET, answer, network.apiKey, network.account])
      expect(sent).not.toContain(private_);
  });

  test('the figures of the conventions arrive with the prescribed buckets', async () => {
    await provider.stop();
    await vi.waitFor(
      () =>
        expect(new Set(receiver.histograms.map(({ name }) => name))).toEqual(
          new Set([
            'gen_ai.client.operation.duration',
            'gen_ai.client.operation.time_to_first_chunk',
            'gen_ai.client.token.usage',
            'gen_ai.server.request.duration',
            'gen_ai.server.time_to_first_token',
            'gen_ai.server.time_per_output_token',
          ]),
        ),
      { timeout: ENDS_MS },
    );
    const last = (name: string) => {
      const found = receiver.histograms.findLast((histogram) => histogram.name === name);
      const point = found?.histogram.dataPoints[0];
      if (found === undefined || point === undefined) throw new Error(`${name} has no value`);
      return { ...point, unit: found.unit };
    };
    const perToken = last('gen_ai.server.time_per_output_token');
    expect([perToken.unit, perToken.explicitBounds]).toEqual([
      's',
      [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5],
    ]);
    const chunk = last('gen_ai.client.operation.time_to_first_chunk');
    expect(chunk.explicitBounds).toEqual([
      0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
    ]);
    expect(chunk.bucketCounts.reduce((sum, count) => sum + Number(count), 0)).toBe(
      Number(chunk.count),
    );
    expect(attributeOf(chunk.attributes, 'gen_ai.provider.name')).toBe('d-inference');
  });
});
