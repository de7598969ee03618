import { describe, expect, test } from 'vitest';
import { ConfigError } from '#bus-schemas/settings/settings.ts';
import { GenAiHistograms, nanoseconds } from './gen-ai-histograms.ts';
import { otelSettings } from './settings.ts';
import { contextIn, headerOf } from './trace-context.ts';
import { type FinishedSpan, Span } from './tracer.ts';

describe('the settings of OpenTelemetry', () => {
  test('are undefined unless a collector is named or DINF_OTEL is 1', () => {
    expect(otelSettings({})).toBeUndefined();
    expect(otelSettings({ DINF_OTEL: '1' })?.endpoint).toBe('http://127.0.0.1:4318');
    const named = { OTEL_EXPORTER_OTLP_ENDPOINT: 'https://otel.example.org/' };
    expect(otelSettings(named)).toEqual({
      endpoint: 'https://otel.example.org',
      headers: {},
      share: 1,
    });
    expect(otelSettings({ ...named, DINF_OTEL: '0' })).toBeUndefined();
    expect(otelSettings({ ...named, OTEL_SDK_DISABLED: 'true' })).toBeUndefined();
  });

  test('have the headers and the share of traces of the standard variables', () => {
    const { headers, share } =
      otelSettings({
        DINF_OTEL: '1',
        OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20abc, x-team=a=b',
        OTEL_TRACES_SAMPLER_ARG: '0.05',
      }) ?? {};
    expect(headers).toEqual({ authorization: 'Bearer abc', 'x-team': 'a=b' });
    expect(share).toBe(0.05);
  });

  test('that cannot be used are refused', () => {
    expect(() => otelSettings({ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' })).toThrow(
      ConfigError,
    );
    expect(() => otelSettings({ DINF_OTEL: '1', OTEL_TRACES_SAMPLER_ARG: '2' })).toThrow(
      ConfigError,
    );
  });
});

describe('the header of a trace', () => {
  const context = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' };

  test('is read as it was written', () => {
    expect(contextIn(headerOf(context))).toEqual(context);
  });

  test.each([
    ['no header', undefined],
    ['another text', 'x'],
    ['a trace that is not recorded', `00-${context.traceId}-${context.spanId}-00`],
    ['an id of zeros', `00-${'0'.repeat(32)}-${context.spanId}-01`],
    ['upper case', `00-${context.traceId.toUpperCase()}-${context.spanId}-01`],
  ])('begins no trace if it is %s', (_name, header) => {
    expect(contextIn(header)).toBeUndefined();
  });
});

test('a span ends once, with the attributes of its beginning and its end', () => {
  const ended: FinishedSpan[] = [];
  let now = 1_000;
  const span = new Span(
    { name: 'attempt', kind: 'client', attributes: { number: 1 } },
    {
      now: () => now,
      onEnd: (finished) => ended.push(finished),
      randomId: (bytes) => 'ab'.repeat(bytes),
    },
  );
  now = 1_250;
  span.end({ error: 'stalled', attributes: { tokens: 7 } });
  span.end();
  expect(ended).toEqual([
    {
      context: { traceId: 'ab'.repeat(16), spanId: 'ab'.repeat(8) },
      parentId: undefined,
      name: 'attempt',
      kind: 'client',
      startedAt: 1_000,
      endedAt: 1_250,
      attributes: { number: 1, tokens: 7 },
      error: 'stalled',
    },
  ]);
});

describe('a histogram', () => {
  const name = 'gen_ai.server.time_per_output_token';
  const pointsOf = (histograms: GenAiHistograms) =>
    histograms.otlp(2_000).flatMap(({ histogram }) => histogram.dataPoints);

  test('counts a value in the first bucket whose limit it does not exceed', () => {
    const histograms = new GenAiHistograms(1_000);
    for (const value of [0.01, 0.011, 99]) histograms.record(name, value, { model: 'sim' });
    const [point] = pointsOf(histograms);
    expect(point?.bucketCounts.map(Number)).toEqual([1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    expect([point?.count, point?.startTimeUnixNano]).toEqual(['3', '1000000000']);
  });

  test('has at most 2,000 series, however many models are named', () => {
    const histograms = new GenAiHistograms(0);
    for (let model = 0; model < 3_000; model += 1)
      histograms.record(name, 1, { model: String(model) });
    expect(pointsOf(histograms)).toHaveLength(2_000);
  });
});

test('a time is sent in whole microseconds as nanoseconds', () => {
  expect(nanoseconds(1_764_000_000_000.25)).toBe('1764000000000250000');
});
