import type { JobOrder, Receipt } from '#bus-schemas';
import type { Attributes } from '#observability/otel/attributes.ts';
import type { HistogramName } from '#observability/otel/gen-ai-histograms.ts';
import { GEN_AI, type OpenTelemetry } from '#observability/otel/open-telemetry.ts';
import type { Span } from '#observability/otel/tracer.ts';

const SECOND_MS = 1_000;

/** Measures one attempt on this machine. It continues the trace that the order names, if any. */
export class AttemptTrace {
  readonly #otel: OpenTelemetry;
  readonly #figures: { readonly 'gen_ai.request.model': string };
  readonly #span: Span | undefined;
  readonly #startedAt = performance.now();
  #firstAt: number | undefined;
  #isOver = false;

  constructor(otel: OpenTelemetry, { job, attempt, build }: JobOrder, header: string | undefined) {
    this.#otel = otel;
    this.#figures = { 'gen_ai.request.model': build };
    this.#span = otel.continue(header, {
      name: `generate ${build}`,
      kind: 'server',
      attributes: { ...GEN_AI, ...this.#figures, 'dinf.job': job, 'dinf.attempt': attempt },
    });
  }

  /** The first frame of the answer is sent. */
  firstContent(): void {
    this.#firstAt ??= performance.now();
  }

  refused(reason: string): void {
    this.#end(performance.now(), reason);
  }

  ended({ usage, finish }: Pick<Receipt, 'usage' | 'finish'>): void {
    const now = performance.now();
    const { promptTokens, completionTokens } = usage;
    const hasFailed = finish === 'error' || finish === 'out_of_memory';
    const isFirstEnd = this.#end(now, hasFailed ? finish : undefined, {
      'gen_ai.response.finish_reasons': finish,
      'gen_ai.usage.input_tokens': promptTokens,
      'gen_ai.usage.output_tokens': completionTokens,
    });
    const firstAt = this.#firstAt;
    if (!isFirstEnd || firstAt === undefined || hasFailed) return;
    this.#record('gen_ai.server.time_to_first_token', firstAt - this.#startedAt);
    if (completionTokens > 1)
      this.#record('gen_ai.server.time_per_output_token', (now - firstAt) / (completionTokens - 1));
  }

  /** Returns false if the attempt had ended before: a receipt may be sent twice. */
  #end(now: number, error: string | undefined, attributes: Attributes = {}): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#span?.end({ error, attributes });
    this.#record('gen_ai.server.request.duration', now - this.#startedAt, { 'error.type': error });
    return true;
  }

  #record(name: HistogramName, milliseconds: number, attributes: Attributes = {}): void {
    this.#otel.record(name, milliseconds / SECOND_MS, { ...this.#figures, ...attributes });
  }
}
