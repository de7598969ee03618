/** The place of a span in its trace, as the W3C defines it for the header `traceparent`. */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
}

/** Header of HTTP and of messages on the bus. It contains random numbers only. */
export const TRACE_HEADER = 'traceparent';

const TRACEPARENT = /^00-(?<traceId>[0-9a-f]{32})-(?<spanId>[0-9a-f]{16})-01$/;
const NO_ID = /^0+$/;

/** The last field states that the trace is recorded. */
export const headerOf = ({ traceId, spanId }: TraceContext): string => `00-${traceId}-${spanId}-01`;

/** Reads a header. Undefined if there is none, if it is malformed, or if its trace is not recorded. */
export function contextIn(header: string | undefined): TraceContext | undefined {
  const { traceId = '', spanId = '' } = TRACEPARENT.exec(header ?? '')?.groups ?? {};
  return NO_ID.test(traceId) || NO_ID.test(spanId) || traceId === ''
    ? undefined
    : { traceId, spanId };
}
