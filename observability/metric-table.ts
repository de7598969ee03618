import { coordinatorFigures } from './figures/coordinator-figures.ts';
import { ingressFigures } from './figures/ingress-figures.ts';
import { machineFigures } from './figures/machine-figures.ts';
import { routingFigures } from './figures/routing-figures.ts';
import { settlementFigures } from './figures/settlement-figures.ts';
import { telemetryFigures } from './figures/telemetry-figures.ts';
import { trustFigures } from './figures/trust-figures.ts';
import type { FigureTable } from './metric.ts';

/**
 * All figures that the processes of d-inference offer to Prometheus. docs/operating/metrics.md is
 * generated from this table, and dashboards and alert rules may only use names that are in it.
 *
 * No label may name an account, a key, a machine or a job, or hold free text: each value of a label
 * is a time series that Prometheus and this process keep, so the values must be few and fixed.
 */
export const METRICS = {
  ...coordinatorFigures,
  ...ingressFigures,
  ...routingFigures,
  ...settlementFigures,
  ...telemetryFigures,
  ...trustFigures,
  ...machineFigures,
} as const satisfies FigureTable;

export type MetricName = keyof typeof METRICS;
