import type { Logger } from 'pino';
import type { MetricsAddress } from '#observability';
import type { OpenTelemetry } from '#observability/otel/open-telemetry.ts';

/** Figures and traces of a process that is not the coordinator, as its environment sets them. */
export interface Observability extends AsyncDisposable {
  readonly metrics: MetricsAddress | undefined;
  readonly otel: OpenTelemetry | undefined;
}

/** The code for figures and traces is loaded only if it is turned on. */
export async function observability(service: string, log: Logger): Promise<Observability> {
  const { metricsAddress } = await import('#observability/metrics-address.ts');
  const { otelSettings } = await import('#observability/otel/settings.ts');
  const metrics = metricsAddress(process.env);
  const settings = otelSettings(process.env);
  if (settings === undefined) return { metrics, otel: undefined, [Symbol.asyncDispose]: nothing };
  const { OpenTelemetry } = await import('#observability/otel/open-telemetry.ts');
  const otel = new OpenTelemetry({ settings, service, log });
  return { metrics, otel, [Symbol.asyncDispose]: () => otel[Symbol.asyncDispose]() };
}

const nothing = async () => undefined;
