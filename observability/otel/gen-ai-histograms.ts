import { type Attributes, otlpAttributes } from './attributes.ts';

/**
 * Histograms with the names and buckets of OpenTelemetry's conventions for generative AI
 * (semantic-conventions-genai, as of November 2026).
 */

const SECONDS = [
  0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];

const HISTOGRAMS = {
  'gen_ai.client.operation.duration': { unit: 's', buckets: SECONDS },
  'gen_ai.client.operation.time_to_first_chunk': { unit: 's', buckets: SECONDS },
  'gen_ai.client.token.usage': {
    unit: '{token}',
    buckets: Array.from({ length: 14 }, (_, power) => 4 ** power),
  },
  'gen_ai.server.request.duration': { unit: 's', buckets: SECONDS },
  'gen_ai.server.time_to_first_token': {
    unit: 's',
    buckets: [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
  },
  'gen_ai.server.time_per_output_token': {
    unit: 's',
    buckets: [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5],
  },
} as const satisfies Record<string, { unit: string; buckets: readonly number[] }>;

export type HistogramName = keyof typeof HISTOGRAMS;

interface Series {
  readonly name: HistogramName;
  readonly attributes: Attributes;
  readonly counts: number[];
  count: number;
  sum: number;
}

/** Owners of machines can name any number of builds, so further series are not recorded. */
const MAX_SERIES = 2_000;
/** The counts are those since the start of the process. */
const CUMULATIVE = 2;

export class GenAiHistograms {
  readonly #series = new Map<string, Series>();
  readonly #startedAt: number;

  constructor(startedAt: number) {
    this.#startedAt = startedAt;
  }

  record(name: HistogramName, value: number, attributes: Attributes): void {
    const key = `${name} ${JSON.stringify(attributes)}`;
    const { buckets } = HISTOGRAMS[name];
    let series = this.#series.get(key);
    if (series === undefined) {
      if (this.#series.size >= MAX_SERIES) return;
      const counts = Array.from({ length: buckets.length + 1 }, () => 0);
      series = { name, attributes, counts, count: 0, sum: 0 };
      this.#series.set(key, series);
    }
    const over = buckets.findIndex((limit) => value <= limit);
    const bucket = over === -1 ? buckets.length : over;
    series.counts[bucket] = (series.counts[bucket] ?? 0) + 1;
    series.count += 1;
    series.sum += value;
  }

  /** All histograms in OTLP's JSON. */
  otlp(now: number) {
    const groups = Map.groupBy(this.#series.values(), ({ name }) => name);
    return [...groups].map(([name, all]) => ({
      name,
      unit: HISTOGRAMS[name].unit,
      histogram: {
        aggregationTemporality: CUMULATIVE,
        dataPoints: all.map(({ attributes, counts, count, sum }) => ({
          attributes: otlpAttributes(attributes),
          startTimeUnixNano: nanoseconds(this.#startedAt),
          timeUnixNano: nanoseconds(now),
          count: String(count),
          sum,
          bucketCounts: counts.map(String),
          explicitBounds: HISTOGRAMS[name].buckets,
        })),
      },
    }));
  }
}

/** Milliseconds since 1970 with fractions, in the form of the protocol. */
export const nanoseconds = (milliseconds: number): string =>
  String(BigInt(Math.round(milliseconds * 1_000)) * 1_000n);
