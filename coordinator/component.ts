import type { ComponentName } from '#bus-schemas';
import type { Context } from './context.ts';

/** A part of the coordinator with a bus face. Components know one another only by what they say on the bus. */
export interface Component extends AsyncDisposable {
  readonly name: ComponentName;
}

export type StartComponent = (context: Context) => Promise<Component>;
