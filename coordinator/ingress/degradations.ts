import { type LostFacts, services } from '#bus-schemas';
import { type Bus, BusError } from '#coordinator/bus.ts';
import type { FailingStream } from '#coordinator/event-publisher.ts';

const CALL = { timeoutMs: 1_000 };

/**
 * Returns the faults of the network while requests can still be served, as texts for an operator.
 */
export async function degradations(bus: Bus): Promise<string[]> {
  const streams = bus.failingStreams().map(failingText);
  return [...streams, ...(await Promise.all([clocksOf(bus), lossesOf(bus)])).flat()];
}

async function clocksOf(bus: Bus): Promise<readonly string[]> {
  try {
    return (await bus.call(services.trust.clocks, {}, CALL)).problems;
  } catch (error) {
    if (!(error instanceof BusError)) throw error;
    return [`trust did not report whether the clocks of the network agree: ${error.code}`];
  }
}

async function lossesOf(bus: Bus): Promise<readonly string[]> {
  try {
    return (await bus.call(services.telemetry.losses, {}, CALL)).streams.map(lossText);
  } catch (error) {
    if (!(error instanceof BusError)) throw error;
    return [`telemetry did not report whether facts were lost: ${error.code}`];
  }
}

export function failingText({ stream, error, forMs }: FailingStream): string {
  return `stream ${stream} has stored nothing for ${Math.round(forMs / 1_000)} s: ${error}`;
}

export function lossText({ stream, facts, firstAt, lastAt }: LostFacts): string {
  const [first, last] = [firstAt, lastAt].map((at) => new Date(at).toISOString());
  return `stream ${stream} removed ${facts} facts before telemetry read them, from ${first} to ${last}`;
}
