import { type Environment, setting } from '#bus-schemas/settings/settings.ts';

export interface MetricsAddress {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
}

/**
 * Reads `DINF_METRICS_HOST` and `DINF_METRICS_PORT`. Undefined if no port is set: the process then
 * measures and offers nothing.
 */
export function metricsAddress(env: Environment): MetricsAddress | undefined {
  const port = setting('DINF_METRICS_PORT', env);
  return port === undefined ? undefined : { host: setting('DINF_METRICS_HOST', env), port };
}
