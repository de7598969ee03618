import type {
  KeyChanged,
  MessageOf,
  RoutingFleet,
  SettlementPosted,
  SettlementSettled,
  TrustVerdict,
} from '#bus-schemas';

/**
 * The facts of the bus, reduced to what the people of one account may see in the console. A fact of
 * another account, and every field that is not named here, stays in the ingress.
 */

/** An event for the page of one account. */
export interface LiveEvent {
  readonly name: 'job' | 'earned' | 'balance' | 'key' | 'machine';
  readonly data: Readonly<Record<string, string | number>>;
  /** Names the fact: a publisher may repeat a fact until it is stored. */
  readonly fact: string;
}

/** The account that sees an event, or the machine whose owner sees it. */
export type LiveReceiver = { readonly account: string } | { readonly machine: string };

export type Addressed = readonly [LiveReceiver, LiveEvent];

/** The customer sees the cost of their job, the owner of the machine what it earned. */
export function settledEvents(fact: MessageOf<typeof SettlementSettled>): Addressed[] {
  const { job, account, outcome, chargedMicroUsd, provider, providerMicroUsd } = fact;
  const at = timeOf(fact);
  const data = { at, job_id: job, outcome, cost_micro_usd: chargedMicroUsd };
  const paid: Addressed = [{ account }, { name: 'job', data, fact: `job ${job}` }];
  if (provider === undefined || providerMicroUsd === 0) return [paid];
  const earned = { at, machine: provider, job_id: job, earned_micro_usd: providerMicroUsd };
  return [paid, [{ machine: provider }, { name: 'earned', data: earned, fact: `earned ${job}` }]];
}

/** The prefix of an account of people in the names of the ledger. */
const LEDGER_PREFIX = 'consumer:';

export function postedEvents(fact: MessageOf<typeof SettlementPosted>): Addressed[] {
  const { operation, kind, entries } = fact;
  return entries.flatMap(({ account, amountMicroUsd }): Addressed[] => {
    if (!account.startsWith(LEDGER_PREFIX)) return [];
    const data = { at: timeOf(fact), kind, amount_micro_usd: amountMicroUsd };
    const owner = { account: account.slice(LEDGER_PREFIX.length) };
    return [[owner, { name: 'balance', data, fact: `balance ${operation}` }]];
  });
}

export function keyEvents(fact: MessageOf<typeof KeyChanged>): Addressed[] {
  const { account, key } = fact;
  // An older version of accounts does not name the owner of the key.
  if (account === undefined) return [];
  const data = { at: timeOf(fact), key };
  return [[{ account }, { name: 'key', data, fact: `key ${key} ${fact.at}` }]];
}

/** A change of a machine that needs no more than its name. */
export function machineEvents(
  fact: { readonly provider: string; readonly at: number },
  change: MachineChange,
): Addressed[] {
  const { provider } = fact;
  const data = { at: timeOf(fact), machine: provider, change };
  return [
    [{ machine: provider }, { name: 'machine', data, fact: `${change} ${provider} ${fact.at}` }],
  ];
}

export type MachineChange =
  | 'linked'
  | 'removed'
  | 'connected'
  | 'disconnected'
  | MessageOf<typeof RoutingFleet>['change'];

export function verdictEvents(fact: MessageOf<typeof TrustVerdict>): Addressed[] {
  const { provider, revision, standing, level } = fact;
  const data = { at: timeOf(fact), machine: provider, change: 'verdict', standing, level };
  return [
    [{ machine: provider }, { name: 'machine', data, fact: `verdict ${provider} ${revision}` }],
  ];
}

const timeOf = ({ at }: { readonly at: number }): string => new Date(at).toISOString();
