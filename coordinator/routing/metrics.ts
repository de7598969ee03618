import type { Registry } from 'prom-client';
import { measured } from '#observability';
import type { Router } from './core/router.ts';
import { listSlots } from './views.ts';

export interface MeasuredRouter {
  readonly router: Router;
  readonly queueDepth: number;
  readonly isLeading: () => boolean;
}

export function measureRouter(
  metrics: Registry,
  { router, queueDepth, isLeading }: MeasuredRouter,
): void {
  measured(metrics, 'dinf_routing_leading', () => (isLeading() ? 1 : 0));
  measured(metrics, 'dinf_routing_queue', () => router.queued);
  measured(metrics, 'dinf_routing_queue_depth', () => queueDepth);
  measured(metrics, 'dinf_routing_providers', () => router.fleet.size);
  measured(metrics, 'dinf_routing_reservations', () => router.reservations.size);
  measured(metrics, 'dinf_routing_slots_kept', () => router.reservations.slotsKept);
  measured(metrics, 'dinf_routing_sequences', () =>
    listSlots(router).reduce((sum, { running }) => sum + running, 0),
  );
  measured(metrics, 'dinf_routing_slots', () =>
    [...Map.groupBy(listSlots(router), ({ state }) => state)].map(([state, slots]) => ({
      labels: { state },
      value: slots.length,
    })),
  );
}
