export interface OtelSettings {
  /** Base URL of the collector: traces go to `/v1/traces` below it, figures to `/v1/metrics`. */
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The share of jobs that are traced, from 0 to 1. */
  readonly share: number;
}

const LOCAL_COLLECTOR = 'http://127.0.0.1:4318';

/**
 * Reads OpenTelemetry's own variables, and `DINF_OTEL`: `1` uses a collector on this machine, `0`
 * turns it off. Undefined: nothing is recorded. Throws a `RangeError` for values that cannot be
 * used.
 */
export function otelSettings(env: NodeJS.ProcessEnv): OtelSettings | undefined {
  const named = env['OTEL_EXPORTER_OTLP_ENDPOINT'] || undefined;
  const isOff = env['DINF_OTEL'] === '0' || env['OTEL_SDK_DISABLED'] === 'true';
  if (isOff || (named === undefined && env['DINF_OTEL'] !== '1')) return undefined;
  const endpoint = (named ?? LOCAL_COLLECTOR).replace(/\/+$/, '');
  if (!/^https?:\/\//.test(endpoint) || !URL.canParse(endpoint))
    throw new RangeError('OTEL_EXPORTER_OTLP_ENDPOINT must be a URL that begins with http');
  const share = Number(env['OTEL_TRACES_SAMPLER_ARG'] || '1');
  if (!(share >= 0 && share <= 1))
    throw new RangeError('OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1');
  return { endpoint, headers: headersIn(env['OTEL_EXPORTER_OTLP_HEADERS'] ?? ''), share };
}

/** Reads `name=value,name=value` with percent-encoded values. */
function headersIn(text: string): Record<string, string> {
  const pairs = text.split(',').filter((pair) => pair.includes('='));
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      return [pair.slice(0, at).trim(), decodeURIComponent(pair.slice(at + 1).trim())];
    }),
  );
}
