import type { JobEnded } from '#bus-schemas';
import { GEN_AI, type OpenTelemetry, wallTime } from '#observability/otel/open-telemetry.ts';
import type { TraceContext } from '#observability/otel/trace-context.ts';
import type { Span } from '#observability/otel/tracer.ts';
import type { JobSpec } from './job-spec.ts';

const MICROSECONDS = 1_000_000;
const MILLISECONDS = 1_000;

/**
 * The trace of one job: a span for the whole job, and one for each attempt. Every job is measured;
 * only a share of them has spans.
 */
export class JobTrace {
  readonly #otel: OpenTelemetry;
  readonly #model: string;
  readonly #streamed: boolean;
  readonly #job: Span | undefined;
  #attempt: Span | undefined;

  constructor(otel: OpenTelemetry, { id, model, streamed, receivedAt }: JobSpec) {
    this.#otel = otel;
    this.#model = model.id;
    this.#streamed = streamed;
    this.#job = otel.begin({
      name: `chat ${model.id}`,
      kind: 'server',
      startedAt: wallTime(receivedAt),
      attributes: {
        ...GEN_AI,
        'gen_ai.request.model': model.id,
        'gen_ai.request.stream': streamed,
        'dinf.job': id,
      },
    });
  }

  /** The context for calls of components. */
  get context(): TraceContext | undefined {
    return this.#job?.context;
  }

  /** Begins an attempt, and returns the context for its order. */
  beginAttempt(number: number): TraceContext | undefined {
    this.#attempt?.end();
    this.#attempt =
      this.#job &&
      this.#otel.start({
        name: 'attempt',
        kind: 'client',
        parent: this.#job.context,
        attributes: { 'dinf.attempt': number },
      });
    return this.#attempt?.context;
  }

  attemptFailed(failure: string): void {
    this.#attempt?.end({ error: failure });
  }

  end({ result, finish, build, deliveredTokens, usage, timing }: JobEnded): void {
    const error = result === 'completed' ? undefined : result;
    const figures = { 'gen_ai.request.model': this.#model };
    const { firstContentUs, totalUs } = timing;
    this.#attempt?.end({ error });
    this.#job?.end({
      error,
      attributes: {
        'gen_ai.response.model': build,
        'gen_ai.response.finish_reasons': finish,
        'gen_ai.usage.input_tokens': usage?.promptTokens,
        'gen_ai.usage.output_tokens': deliveredTokens,
        'dinf.route_ms': timing.routeUs / MILLISECONDS,
        'dinf.hold_ms': timing.holdUs / MILLISECONDS,
      },
    });
    this.#otel.record('gen_ai.client.operation.duration', totalUs / MICROSECONDS, {
      ...figures,
      'error.type': error,
    });
    if (this.#streamed && firstContentUs !== undefined)
      this.#otel.record(
        'gen_ai.client.operation.time_to_first_chunk',
        firstContentUs / MICROSECONDS,
        figures,
      );
    if (usage !== undefined)
      this.#otel.record('gen_ai.client.token.usage', usage.promptTokens, {
        ...figures,
        'gen_ai.token.type': 'input',
      });
    this.#otel.record('gen_ai.client.token.usage', deliveredTokens, {
      ...figures,
      'gen_ai.token.type': 'output',
    });
  }
}
