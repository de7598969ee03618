import type { Attributes } from './attributes.ts';
import type { TraceContext } from './trace-context.ts';

/** Roles of a span, with the numbers of the protocol: `client` waits for another part's work. */
export const SPAN_KINDS = { server: 2, client: 3 } as const;

export interface FinishedSpan {
  readonly context: TraceContext;
  readonly parentId: string | undefined;
  readonly name: string;
  readonly kind: keyof typeof SPAN_KINDS;
  /** In milliseconds since 1970, with fractions. */
  readonly startedAt: number;
  readonly endedAt: number;
  readonly attributes: Attributes;
  /** A code of the program; undefined if the work succeeded. */
  readonly error: string | undefined;
}

export interface SpanStart {
  readonly name: string;
  readonly kind: keyof typeof SPAN_KINDS;
  /** Undefined begins a new trace. */
  readonly parent?: TraceContext | undefined;
  readonly startedAt?: number;
  readonly attributes?: Attributes;
}

export interface SpanEnd {
  readonly error?: string | undefined;
  readonly attributes?: Attributes;
}

export interface TracerOptions {
  readonly onEnd: (span: FinishedSpan) => void;
  /** The time in milliseconds since 1970, with fractions. */
  readonly now: () => number;
  /** Returns this many random bytes as hexadecimal digits. */
  readonly randomId: (bytes: number) => string;
}

const TRACE_BYTES = 16;
const SPAN_BYTES = 8;

/** A piece of work that is being measured. */
export class Span {
  readonly context: TraceContext;
  readonly startedAt: number;
  readonly #start: SpanStart;
  readonly #options: TracerOptions;
  #isOver = false;

  constructor(start: SpanStart, options: TracerOptions) {
    this.#start = start;
    this.#options = options;
    this.startedAt = start.startedAt ?? options.now();
    this.context = {
      traceId: start.parent?.traceId ?? options.randomId(TRACE_BYTES),
      spanId: options.randomId(SPAN_BYTES),
    };
  }

  /** Ends the span. Further calls do nothing. */
  end({ error, attributes }: SpanEnd = {}): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { name, kind, parent } = this.#start;
    this.#options.onEnd({
      context: this.context,
      parentId: parent?.spanId,
      name,
      kind,
      startedAt: this.startedAt,
      endedAt: this.#options.now(),
      attributes: { ...this.#start.attributes, ...attributes },
      error,
    });
  }
}
