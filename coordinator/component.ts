import type { ComponentName } from '#bus-schemas';
import type { Context } from './context.ts';

/**
 * A part of the coordinator. Components do not import one another: they exchange messages over the
 * bus.
 */
export interface Component extends AsyncDisposable {
  readonly name: ComponentName;
  /** Addresses of its HTTP routes, for customers and for operators, if it has any. */
  readonly url?: string;
  readonly adminUrl?: string | undefined;
}

export type StartComponent = (context: Context) => Promise<Component>;
