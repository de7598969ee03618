import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { OpenTelemetry } from '#observability/otel/open-telemetry.ts';
import type { Bus } from './bus.ts';
import type { ComponentConfig } from './config.ts';

/** Resources that all components get from the program that starts them. */
export interface Context {
  readonly bus: Bus;
  readonly database: Pool;
  readonly config: ComponentConfig;
  readonly log: Logger;
  readonly metrics: Registry;
  /** Traces and figures for OpenTelemetry; undefined if it is off. */
  readonly otel?: OpenTelemetry | undefined;
  /** Returns the time in milliseconds since 1970. */
  readonly now: () => number;
}
