import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { Bus } from './bus.ts';
import type { Config } from './config.ts';

/**
 * What a component is given. Nothing is reached for: time, randomness and connections are handed
 * in.
 */
export interface Context {
  readonly bus: Bus;
  readonly database: Pool;
  readonly config: Config;
  readonly log: Logger;
  readonly metrics: Registry;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}
