import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import type { MetricsAddress } from '#observability';

/** Reads the address of the figures for Prometheus of a process that is not the coordinator. */
export async function metricsSetting(): Promise<MetricsAddress | undefined> {
  const { metricsAddress } = await import('#observability/listener.ts');
  try {
    return metricsAddress(process.env);
  } catch (error) {
    throw error instanceof RangeError ? new CommandError(EXIT.usage, error.message) : error;
  }
}
