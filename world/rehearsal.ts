import { Customers } from './customers.ts';
import { INGRESS_PORT, MODEL, WorldNetwork } from './network.ts';
import type { World } from './world.ts';

const CREDIT_MICRO_USD = 1_000_000;
const ANSWER_MS = 5_000;
const TOKENS = 5;

/**
 * Serves a request at each ingress, so that the first life of a process loads and prepares nothing any more that
 * later lives find prepared.
 */
export async function rehearse(world: World): Promise<void> {
  await using network = await WorldNetwork.start(world);
  const { time } = world;
  const { apiKey } = await time.runWhile(network.customer('customer', CREDIT_MICRO_USD));
  const customers = new Customers(world);
  for (const ingress of network.ingresses)
    customers.ask(
      { customer: 'customer', ingress, port: INGRESS_PORT, apiKey, model: MODEL },
      { maxTokens: TOKENS, leavesAfter: undefined },
    );
  await time.runUntil(time.now + ANSWER_MS);
}
