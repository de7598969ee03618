import { services } from '#bus-schemas';
import type { BookEntry } from '../customers.ts';
import { receivedTokens } from '../expected-answer.ts';
import type { WorldFault } from '../faults.ts';
import { concerns, type Ended, each, type Rule, troubleUntil } from './rule.ts';

/** After this time the receipt of a machine settles a job of which nobody tells the end. */
const RECEIPT_GRACE_MS = 30_000;
/** A proof of delivery is sent every 16 frames, or after a second, which is 20 tokens. */
export const PROVEN_EVERY_TOKENS = 24;
/** After an interruption an ingress may pass on a whole window of frames before it reports. */
export const MOST_AT_ONCE_TOKENS = 64;
/** Tokens that are on the way to a client that leaves. */
export const TOKENS_UNDER_WAY = 20;

export const moneyRules: readonly Rule[] = [
  {
    name: 'nobody pays for more than was delivered',
    broken: ({ book, charges }) =>
      each(book, (entry) => {
        const charge = charges.get(entry.job ?? '');
        const delivered = receivedTokens(entry);
        const most = delivered + (entry.outcome === 'left' ? TOKENS_UNDER_WAY : 0);
        return charge !== undefined && charge.tokens > most
          ? `received ${delivered} tokens and pays for ${charge.tokens}`
          : undefined;
      }),
  },
  {
    name: 'a whole answer is paid in full, once',
    broken: (ended) =>
      each(ended.book, (entry) => {
        if (entry.outcome !== 'complete') return undefined;
        const charge = ended.charges.get(entry.job ?? '');
        if (charge === undefined) return 'is complete and was never settled';
        const isWhole = charge.outcome === 'settled' && charge.tokens === entry.maxTokens;
        return isWhole || mayLackItsEnd(entry, ended)
          ? undefined
          : `is complete with ${entry.maxTokens} tokens, and ${charge.tokens} were charged (${charge.outcome})`;
      }),
  },
  {
    name: 'an answer that was cut is paid up to the last proof of delivery',
    broken: (ended) =>
      each(ended.book, (entry) => {
        const machines = ended.machinesOf.get(entry.job ?? '') ?? [];
        const ofMachines = ended.faults.filter((fault) => concerns(fault, machines));
        if (entry.outcome === 'complete' || ofMachines.some(({ kind }) => kind !== 'lossy'))
          return undefined;
        const received = receivedTokens(entry);
        const paid = ended.charges.get(entry.job ?? '')?.tokens ?? 0;
        return paid < received - unprovenTokens(ended.faults)
          ? `received ${received} tokens and pays for ${paid}`
          : undefined;
      }),
  },
  {
    name: 'every job with content has a row that says how it ended',
    broken: (ended) =>
      each(ended.book, (entry) => {
        const { job = '', text } = entry;
        if (text === '' || ended.generations.has(job)) return undefined;
        // A job whose ingress was killed has a charge and no generation. If its machine was killed
        // too, it has the charge when the time of its hold is over.
        const hasCharge = ended.charges.has(job) || ended.openHolds.has(job);
        return hasCharge && mayLoseItsEnd(entry, ended) ? undefined : 'has no row of its end';
      }),
  },
  {
    name: 'a job ends once, is settled once and counted once',
    broken: ({ endedFacts, settledFacts, charges, generations, countedJobs }) => [
      ...[...endedFacts].flatMap(([job, ends]) =>
        ends === 1 ? [] : [`${job} ended ${ends} times`],
      ),
      ...[...charges.values()].flatMap(({ job, outcome }) => {
        const told = settledFacts.get(job) ?? 0;
        return told === (outcome === 'void' ? 0 : 1) ? [] : [`${job} was settled ${told} times`];
      }),
      ...(countedJobs === generations.size
        ? []
        : [`${countedJobs} jobs were counted, and ${generations.size} have a row`]),
    ],
  },
  {
    name: 'the books balance, and no money is set aside for ever',
    broken: async ({ network, overdueHolds }) => {
      const proof = await network.bus.call(
        services.settlement.verify,
        { full: true },
        { timeoutMs: 10_000 },
      );
      return [
        ...(proof.ok ? [] : [`the proof fails: ${JSON.stringify(proof)}`]),
        ...(proof.parked > 0 ? [`${proof.parked} facts are parked`] : []),
        ...(overdueHolds > 0 ? [`${overdueHolds} holds are over and not released`] : []),
      ];
    },
  },
];

/** Number of tokens that a client may have received since the last proof that its machine has. */
function unprovenTokens(faults: readonly WorldFault[]): number {
  const isSteady = faults.every(
    ({ kind, host }) => (kind === 'kill' && host.startsWith('ingress')) || kind === 'hostile',
  );
  return isSteady ? PROVEN_EVERY_TOKENS : PROVEN_EVERY_TOKENS + MOST_AT_ONCE_TOKENS;
}

/**
 * The end of this answer may not have come to settlement in time, because the ingress was killed
 * before the hub had stored it, or because the hub or settlement had trouble for longer than the
 * receipt waits. Then the receipt settles the job, for the tokens of which the machine has a proof.
 */
function mayLackItsEnd(entry: BookEntry, ended: Ended): boolean {
  const end = (entry.endedAt ?? 0) - ended.begin;
  const trouble = troubleUntil(end, ['hub', 'settlement', 'postgres', 'trust'], ended.faults);
  return mayLoseItsEnd(entry, ended) || trouble - end > RECEIPT_GRACE_MS;
}

/** The ingress was killed while it served this request, or before the hub had stored its end. */
function mayLoseItsEnd(
  { ingress, askedAt, endedAt = 0 }: BookEntry,
  { faults, network, begin }: Ended,
): boolean {
  const name = network.processes.find(({ address }) => address === ingress)?.name ?? '';
  const storedBy = troubleUntil(endedAt - begin, ['hub', name], faults);
  return faults.some(
    ({ kind, host, at }) =>
      kind === 'kill' && host === name && at >= askedAt - begin && at <= storedBy,
  );
}
