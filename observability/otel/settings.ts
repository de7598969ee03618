import { type Environment, setting } from '#bus-schemas/settings/settings.ts';

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
 * turns it off. Undefined: nothing is recorded.
 */
export function otelSettings(env: Environment): OtelSettings | undefined {
  const named = setting('OTEL_EXPORTER_OTLP_ENDPOINT', env);
  const wanted = setting('DINF_OTEL', env);
  const isOff = wanted === false || setting('OTEL_SDK_DISABLED', env) === 'true';
  if (isOff || (named === undefined && wanted === undefined)) return undefined;
  return {
    endpoint: (named ?? LOCAL_COLLECTOR).replace(/\/+$/, ''),
    headers: headersIn(setting('OTEL_EXPORTER_OTLP_HEADERS', env)),
    share: setting('OTEL_TRACES_SAMPLER_ARG', env),
  };
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
