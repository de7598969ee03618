export interface MetricsAddress {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
}

/**
 * Reads `DINF_METRICS_HOST` and `DINF_METRICS_PORT`. Undefined if no port is set: the process then
 * measures and offers nothing. Throws a `RangeError` for a port that is none.
 */
export function metricsAddress(env: NodeJS.ProcessEnv): MetricsAddress | undefined {
  const text = env['DINF_METRICS_PORT'] ?? '';
  if (text === '') return undefined;
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new RangeError('DINF_METRICS_PORT must be a whole number from 0 to 65535');
  return { host: env['DINF_METRICS_HOST'] || '127.0.0.1', port };
}
