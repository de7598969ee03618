import type { ComponentName } from '#bus-schemas';
import type { Context } from './context.ts';

/**
 * A part of the coordinator with a bus face. Components know one another only by what they say on
 * the bus.
 */
export interface Component extends AsyncDisposable {
  readonly name: ComponentName;
  /** Where it listens for HTTP, if it does, and for operators. */
  readonly url?: string;
  readonly adminUrl?: string | undefined;
}

export type StartComponent = (context: Context) => Promise<Component>;
