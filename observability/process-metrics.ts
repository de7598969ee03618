import { collectDefaultMetrics, type Registry } from 'prom-client';
import packageJson from '../package.json' with { type: 'json' };
import { measured } from './metrics.ts';

/**
 * Adds the figures of the process itself with the names that dashboards for Node.js expect: delay
 * of the event loop, garbage collection, memory, processor time and open files.
 */
export function measureProcess(registry: Registry): void {
  collectDefaultMetrics({ register: registry });
  measured(registry, 'dinf_build_info', () => [
    { labels: { version: packageJson.version }, value: 1 },
  ]);
}
