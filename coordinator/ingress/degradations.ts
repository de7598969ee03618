import { services } from '#bus-schemas';
import { type Bus, BusError } from '#coordinator/bus.ts';

const CALL = { timeoutMs: 1_000 };

/** What is broken although requests can be served, in words for an operator. */
export async function degradations(bus: Bus): Promise<string[]> {
  const streams = bus.failingStreams().map(({ stream, error, forMs }) => `stream ${stream} has stored nothing for ${Math.round(forMs / 1_000)} s: ${error}`);
  try {
    const { problems } = await bus.call(services.trust.clocks, {}, CALL);
    return [...streams, ...problems];
  } catch (error) {
    if (!(error instanceof BusError)) throw error;
    return [...streams, `trust cannot be asked about the clocks of the network: ${error.code}`];
  }
}
