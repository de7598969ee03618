import type { Pool } from 'pg';
import type { Registry } from 'prom-client';
import { measured } from '#observability';

export function measureDatabase(pool: Pool, metrics: Registry): void {
  measured(metrics, 'dinf_postgres_connections', () => [
    { labels: { state: 'idle' }, value: pool.idleCount },
    { labels: { state: 'busy' }, value: pool.totalCount - pool.idleCount },
  ]);
  measured(metrics, 'dinf_postgres_waiting', () => pool.waitingCount);
}
