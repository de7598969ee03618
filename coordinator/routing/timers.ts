import { core, Load } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import type { CellState } from './cell-state.ts';
import type { MachineHours } from './core/machine-hours.ts';
import { DemandSender } from './demand-sender.ts';
import type { MachineMessages } from './machine-messages.ts';

/** Greatest delay of a deadline of a waiting request, in milliseconds. */
const TICK_MS = 100;
const SWEEP_MS = 1_000;

export interface TimersOptions {
  readonly bus: Bus;
  readonly state: CellState;
  readonly messages: MachineMessages;
  /** Monotonic clock, in milliseconds. */
  readonly clock: () => number;
  readonly isLeading: () => boolean;
  /** Time in milliseconds since 1970. */
  readonly now: () => number;
  readonly hours: MachineHours;
}

/**
 * Starts the work that depends only on time: deadlines of the queue, reports of demand to machines,
 * and the sweep.
 */
export function startTimers(options: TimersOptions): Disposable {
  const { bus, clock, isLeading, state, now, hours } = options;
  const { router } = state;
  const demand = new DemandSender({ bus, router, clock, isLeading, now, hours });
  const tick = setInterval(() => {
    demand.tick();
    if (clock() >= router.nextDeadline) router.drain(clock());
  }, TICK_MS);
  const sweep = setInterval(() => sweepAll(options), SWEEP_MS);
  return {
    [Symbol.dispose]: () => {
      clearInterval(tick);
      clearInterval(sweep);
    },
  };
}

function sweepAll({ bus, state, messages, clock, isLeading }: TimersOptions): void {
  messages.sweep();
  state.sweep((provider) => messages.isFlooding(provider));
  if (isLeading())
    for (const { provider, build } of state.router.loadOrders(clock()))
      bus.publish(core.down(provider, 'load'), Load, { build });
  state.drainSoon();
}
