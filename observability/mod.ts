/** Figures for Prometheus: their names, and the port on which a process offers them. */

export { type MetricsListener, offerMetrics } from './listener.ts';
export { type CounterOf, counter, type GaugeReading, histogram, measured } from './metrics.ts';
export { type MetricsAddress, metricsAddress } from './metrics-address.ts';
