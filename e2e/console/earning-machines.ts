import { expect, vi } from 'vitest';
import { services } from '#bus-schemas';
import { startMachineOf } from '../linked-machine.ts';
import type { TestNetwork } from '../test-network.ts';

/** A machine is on the leaderboard from this number of requests on. */
export const RANKED_REQUESTS = 10;
/** What machines earned from a model is shown once three machines of three owners have earned. */
const OWNERS = ['bob', 'carl', 'dora'];
const PATIENT = { timeout: 120_000, interval: 200 };

interface PaidRequests {
  readonly provider: string;
  readonly model: string;
  readonly count: number;
  readonly maxTokens: number;
}

/** Lets a machine that a person has linked answer requests, and waits until they are settled. */
export async function servePaidRequests(
  network: TestNetwork,
  { provider, model, count, maxTokens }: PaidRequests,
): Promise<void> {
  const { bus } = network.network.coordinator;
  // It would otherwise get few requests at first.
  await bus.call(services.trust.prove, { provider }, { timeoutMs: 10_000 });
  const messages = [{ role: 'user', content: 'Hi' }];
  const body = { model, messages, max_tokens: maxTokens, provider: { only: [provider] } };
  for (let request = 0; request < count; request += 1)
    await vi.waitFor(async () => {
      const asked = { token: network.apiKey, body };
      const { status, text } = await network.ask('POST', '/v1/chat/completions', asked);
      expect(status, text).toBe(200);
    }, PATIENT);
  await network.expectMoneyBalances();
}

/**
 * Waits until the router has stored the chips of machines, without which their earnings are those of
 * unknown chips. What machines earned is cached for minutes, so a page must not ask before.
 */
async function chipsAreStored(network: TestNetwork, providers: readonly string[]): Promise<void> {
  const { bus } = network.network.coordinator;
  await vi.waitFor(async () => {
    const request = { providers: [...providers] };
    const { records } = await bus.call(services.routing.records, request, { timeoutMs: 10_000 });
    const known = records.filter(({ lifetime }) => lifetime?.chip !== undefined);
    expect(known.length).toBe(providers.length);
  }, PATIENT);
}

/** Starts three machines of three owners, each of which earns from one request for this model. */
export async function startEarningMachines(
  network: TestNetwork,
  model: string,
): Promise<AsyncDisposable> {
  await using started = new AsyncDisposableStack();
  const providers: string[] = [];
  for (const name of OWNERS) {
    const owner = await network.person(name);
    const machine = started.use(await startMachineOf(network, owner, { name }));
    const provider = machine.providers[0]?.id ?? '';
    await servePaidRequests(network, { provider, model, count: 1, maxTokens: 2_000 });
    providers.push(provider);
  }
  await chipsAreStored(network, providers);
  return started.move();
}
