import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { Attributes } from './attributes.ts';
import { OtlpExporter } from './exporter.ts';
import { GenAiHistograms, type HistogramName } from './gen-ai-histograms.ts';
import type { OtelSettings } from './settings.ts';
import { contextIn } from './trace-context.ts';
import { Span, type SpanStart, type TracerOptions } from './tracer.ts';

export interface OpenTelemetryOptions {
  readonly settings: OtelSettings;
  /** Name of the program, for example `dinf-coordinator`. */
  readonly service: string;
  readonly log: Pick<Logger, 'warn'>;
}

/** Name of this network's kind in the conventions; a collector groups by it. */
const PROVIDER_NAME = 'd-inference';

/** Wall-clock time of a reading of `performance.now()`, in milliseconds since 1970. */
export const wallTime = (monotonicMs: number): number => performance.timeOrigin + monotonicMs;

/** Traces and figures of one process. It exists only if OpenTelemetry is turned on. */
export class OpenTelemetry implements AsyncDisposable {
  readonly #options: OpenTelemetryOptions;
  readonly #histograms: GenAiHistograms;
  readonly #exporter: OtlpExporter;
  readonly #tracing: TracerOptions;

  constructor(options: OpenTelemetryOptions) {
    this.#options = options;
    const now = () => wallTime(performance.now());
    this.#histograms = new GenAiHistograms(now());
    this.#exporter = new OtlpExporter({ ...options, histograms: this.#histograms, now });
    this.#tracing = {
      now,
      onEnd: (span) => this.#exporter.add(span),
      randomId: (bytes) => randomBytes(bytes).toString('hex'),
    };
  }

  /** Begins a trace for a share of the jobs; undefined for the others. */
  begin(start: SpanStart): Span | undefined {
    return Math.random() < this.#options.settings.share ? this.start(start) : undefined;
  }

  start(start: SpanStart): Span {
    return new Span(start, this.#tracing);
  }

  /** Continues the trace of a message; undefined if its sender does not trace it. */
  continue(header: string | undefined, start: Omit<SpanStart, 'parent'>): Span | undefined {
    const parent = contextIn(header);
    return parent && this.start({ ...start, parent });
  }

  /** Records a value for the figure of an operation, in seconds or tokens. */
  record(name: HistogramName, value: number, attributes: Attributes): void {
    this.#histograms.record(name, value, { ...GEN_AI, ...attributes });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#exporter[Symbol.asyncDispose]();
  }
}

/** Attributes of every span and figure about an operation of a model. */
export const GEN_AI = {
  'gen_ai.operation.name': 'chat',
  'gen_ai.provider.name': PROVIDER_NAME,
} as const;
