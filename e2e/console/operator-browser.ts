import { Client } from 'pg';
import type { BrowserContextOptions } from 'playwright-core';
import { events, JobAttempt, newJobId, SettlementTermsChanged, services } from '#bus-schemas';
import { makeOperatorKey } from '#coordinator/secrets.ts';
import type { ConsolePage, ConsoleUnderTest } from './chromium.ts';

export const adminUrlOf = ({ network }: ConsoleUnderTest): string => {
  const { adminUrl } = network.network.coordinator;
  if (adminUrl === undefined) throw new Error('the network has no listener for operators');
  return adminUrl;
};

/** Makes an operator, and returns their key. */
export async function makeOperator(under: ConsoleUnderTest, name: string): Promise<string> {
  const { text, hash } = makeOperatorKey();
  const { bus } = under.network.network.coordinator;
  const made = await bus.call(
    services.accounts.createOperator,
    { name, keyHash: hash },
    { timeoutMs: 10_000 },
  );
  if (!made.ok) throw new Error(`the operator ${name} exists already`);
  return text;
}

/** A page of the operators' listener on which this operator has signed in. */
export async function operatorPage(
  under: ConsoleUnderTest,
  key: string,
  options: BrowserContextOptions = {},
): Promise<ConsolePage> {
  const opened = await under.openPage({ baseURL: adminUrlOf(under), ...options });
  const { page } = opened;
  await page.goto('/');
  await page.getByLabel('Operator key').fill(key);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Fleet and capacity' }).waitFor();
  return opened;
}

/** Parks a fact in the outbox of settlement, as if the bus had refused it. */
export async function parkFact({ network }: ConsoleUnderTest): Promise<void> {
  const client = new Client({ connectionString: network.network.databaseUrl });
  await client.connect();
  try {
    await client.query(
      `INSERT INTO settlement_outbox (subject, message_ids, payloads, parked_at, reason)
       VALUES ($1, ARRAY['parked:1'], ARRAY[$2::bytea], now(), 'no stream')`,
      [
        events.settlementTermsChanged,
        Buffer.from(SettlementTermsChanged.encode({ at: Date.now() })),
      ],
    );
  } finally {
    await client.end();
  }
}

/** Reports an attempt of a machine that stopped in the middle of its answer, as an ingress does. */
export function reportFault({ network }: ConsoleUnderTest, provider: string): void {
  network.network.coordinator.bus.publish(events.jobAttempt, JobAttempt, {
    job: newJobId(),
    attempt: 1,
    provider,
    build: 'sim-llama-8b-q4',
    at: Date.now(),
    failure: 'stalled',
  });
}
