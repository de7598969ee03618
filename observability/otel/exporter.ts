import type { Logger } from 'pino';
import { messageOf } from '#bus-schemas/message-of.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { otlpAttributes } from './attributes.ts';
import { type GenAiHistograms, nanoseconds } from './gen-ai-histograms.ts';
import type { OtelSettings } from './settings.ts';
import { type FinishedSpan, SPAN_KINDS } from './tracer.ts';

const SPANS_EVERY_MS = 2_000;
/** Spans that wait for the next export; further ones are dropped and counted. */
const MAX_WAITING = 4_096;
const FIGURES_EVERY_MS = 15_000;
const POST_TIMEOUT_MS = 5_000;
const WARN_EVERY_MS = 60_000;
/** Status of a span that failed. */
const FAILED = 2;

export interface ExporterOptions {
  readonly settings: OtelSettings;
  readonly service: string;
  readonly histograms: GenAiHistograms;
  readonly log: Pick<Logger, 'warn'>;
  readonly now: () => number;
}

/**
 * Sends spans and figures to a collector, as OTLP over HTTP with JSON. No request waits for it: if
 * the collector is away, spans are dropped.
 */
export class OtlpExporter implements AsyncDisposable {
  readonly #options: ExporterOptions;
  readonly #timers: NodeJS.Timeout[];
  #waiting: FinishedSpan[] = [];
  #dropped = 0;
  #warnedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ExporterOptions) {
    this.#options = options;
    this.#timers = [
      setInterval(() => void this.#sendSpans(), SPANS_EVERY_MS).unref(),
      setInterval(() => void this.#sendFigures(), FIGURES_EVERY_MS).unref(),
    ];
  }

  add(span: FinishedSpan): void {
    if (this.#waiting.length < MAX_WAITING) this.#waiting.push(span);
    else this.#dropped += 1;
  }

  async #sendSpans(): Promise<void> {
    const spans = this.#waiting;
    if (spans.length === 0) return;
    this.#waiting = [];
    const resourceSpans = [
      { resource: this.#resource(), scopeSpans: [{ scope: SCOPE, spans: spans.map(otlpSpan) }] },
    ];
    if (!(await this.#post('/v1/traces', { resourceSpans }))) this.#dropped += spans.length;
  }

  async #sendFigures(): Promise<void> {
    const metrics = this.#options.histograms.otlp(this.#options.now());
    if (metrics.length === 0) return;
    await this.#post('/v1/metrics', {
      resourceMetrics: [{ resource: this.#resource(), scopeMetrics: [{ scope: SCOPE, metrics }] }],
    });
  }

  #resource() {
    return {
      attributes: otlpAttributes({
        'service.name': this.#options.service,
        'service.version': packageJson.version,
      }),
    };
  }

  /** Returns false if the collector did not accept the data. */
  async #post(path: string, body: object): Promise<boolean> {
    const { settings, log, now } = this.#options;
    try {
      const { ok, status } = await fetch(settings.endpoint + path, {
        method: 'POST',
        headers: { ...settings.headers, 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(POST_TIMEOUT_MS),
      });
      if (!ok) throw new Error(`HTTP status ${status}`);
      return true;
    } catch (error) {
      if (now() - this.#warnedAt < WARN_EVERY_MS) return false;
      this.#warnedAt = now();
      log.warn(
        { because: messageOf(error), dropped: this.#dropped },
        'the collector of OpenTelemetry did not accept data, which is dropped',
      );
      return false;
    }
  }

  /** Sends what is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all([this.#sendSpans(), this.#sendFigures()]);
  }
}

const SCOPE = { name: 'd-inference', version: packageJson.version };

function otlpSpan({ context, parentId, name, kind, startedAt, endedAt, ...span }: FinishedSpan) {
  return {
    traceId: context.traceId,
    spanId: context.spanId,
    ...(parentId !== undefined && { parentSpanId: parentId }),
    name,
    kind: SPAN_KINDS[kind],
    startTimeUnixNano: nanoseconds(startedAt),
    endTimeUnixNano: nanoseconds(endedAt),
    attributes: otlpAttributes({ ...span.attributes, 'error.type': span.error }),
    status: span.error === undefined ? {} : { code: FAILED },
  };
}
