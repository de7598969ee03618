import type { WorldFault } from './faults.ts';

/**
 * One small change of the program that breaks it: a check dropped, a repetition removed, an order
 * swapped. The world must notice each of them.
 */
export interface Mutation {
  readonly name: string;
  readonly file: string;
  /** The text that is replaced; it must occur exactly once in the file. */
  readonly find: string;
  readonly by: string;
  /** Faults with which a world breaks this rule, for a change that few seeds notice. */
  readonly noticedWith?: { readonly faults: readonly WorldFault[]; readonly rule: string };
}

const INGRESS: readonly Mutation[] = [
  {
    name: 'the ingress accepts frames out of order',
    file: 'coordinator/ingress/core/frame-receiver.ts',
    find: "if (seq > this.#received) return 'gap';",
    by: '',
  },
  {
    name: 'the ingress accepts a frame twice',
    file: 'coordinator/ingress/core/frame-receiver.ts',
    find: "if (seq < this.#received) return 'duplicate';",
    by: "if (seq < this.#received) return 'accept';",
  },
  {
    name: 'no other machine is tried after a failed attempt',
    file: 'coordinator/ingress/core/job-attempts.ts',
    find: 'const exhausted = !outcome.retry ||',
    by: 'const exhausted = true || !outcome.retry ||',
  },
  {
    name: 'the first content is awaited for ever',
    file: 'coordinator/ingress/core/job.ts',
    find: 'if (now < attempt.contentBy) {\n    if (now < attempt.overdueAt) return stay(state);',
    by: 'if (now < state.endBy) {\n    if (now < state.endBy) return stay(state);',
  },
  {
    name: 'no other machine is looked for while the first content is overdue',
    file: 'coordinator/ingress/core/job.ts',
    find: 'if (now < attempt.overdueAt) return stay(state);',
    by: 'if (now < state.endBy) return stay(state);',
    noticedWith: {
      rule: 'while only machines fail, a request that has no content yet is served by another one',
      faults: [
        { at: 8_000, kind: 'hostile', host: 'machine-4', forMs: 30_000, trick: 'never_answers' },
        { at: 8_000, kind: 'kill', host: 'machine-2', forMs: 30_000 },
        { at: 8_000, kind: 'kill', host: 'machine-3', forMs: 30_000 },
      ],
    },
  },
  {
    name: 'a place is used however long the hold took',
    file: 'coordinator/ingress/core/job.ts',
    find: 'if (isPlanFresh(held, now)) return dispatch',
    by: 'if (winner) return dispatch',
    noticedWith: {
      rule: 'a removed machine serves nothing after one second',
      faults: [
        { at: 10_000, kind: 'kill', host: 'settlement', forMs: 7_000 },
        { at: 12_000, kind: 'removal', host: 'machine-4', forMs: 0 },
      ],
    },
  },
  {
    name: 'a stalled answer is never ended',
    file: 'coordinator/ingress/core/job.ts',
    find: 'if (now >= state.endBy) return stalled();\n  if (hasContent(state))',
    by: 'if (hasContent(state)) return stay(state);\n  if (hasContent(state))',
    // Otherwise another machine continues an answer long before its time has passed.
    noticedWith: {
      rule: 'every request ends in time',
      faults: [
        { at: 8_000, kind: 'hostile', host: 'machine-4', forMs: 20_000, trick: 'stops_midway' },
        { at: 9_900, kind: 'kill', host: 'machine-1', forMs: 25_000 },
        { at: 9_900, kind: 'kill', host: 'machine-2', forMs: 25_000 },
        { at: 9_900, kind: 'kill', host: 'machine-3', forMs: 25_000 },
      ],
    },
  },
  {
    name: 'an answer is not continued after its machine failed',
    file: 'coordinator/ingress/core/continuation.ts',
    find: 'state.committed && state.movable && state.attempts',
    by: 'false && state.attempts',
  },
  {
    name: 'a job goes on although its client has left',
    file: 'coordinator/ingress/job-run.ts',
    find: "this.#happen({ type: 'client_gone' });",
    by: '',
  },
  {
    name: 'the end of a job whose client has left is not reported',
    file: 'coordinator/ingress/core/job.ts',
    find: "return over(state, [ended('client_gone', payee, continued ? undefined : event)]);",
    by: 'return over(state, []);',
  },
  {
    name: 'a job runs although its money was refused',
    file: 'coordinator/ingress/job-calls.ts',
    find: 'reply.forChoices === true);\n    if (reply?.ok) this.#heldWith(provider, chargeTerms(reply));\n    return reply;',
    by: 'reply.forChoices === true);\n    if (reply) this.#heldWith(provider, undefined);\n    return reply && { ok: true };',
  },
  {
    name: 'an ingress keeps a key that was removed',
    file: 'coordinator/ingress/identity/key-cache.ts',
    find: 'handle: ({ key }) => this.changed(key),',
    by: 'handle: () => undefined,',
  },
  {
    name: 'the ingress sends no proofs of delivery',
    file: 'coordinator/ingress/flow-sender.ts',
    find: 'if (tokens === 0) return report;',
    by: 'if (tokens >= 0) return report;',
  },
  {
    name: 'an ingress keeps jobs that have ended',
    file: 'coordinator/ingress/jobs.ts',
    find: 'this.#running.delete(job.spec.id);',
    by: '',
  },
];

const ROUTING: readonly Mutation[] = [
  {
    name: 'a router never takes over the lease',
    file: 'coordinator/routing/core/election.ts',
    find: 'const TAKE_OVER_MS = 1_000;',
    by: 'const TAKE_OVER_MS = 1_000_000;',
  },
  {
    name: 'the slot of a job stays taken after its end',
    file: 'coordinator/routing/core/reservations.ts',
    find: 'this.#bySlot.get(provider)?.get(build)?.release(reservation, isFinished);',
    by: '',
  },
];

const SETTLEMENT: readonly Mutation[] = [
  {
    name: 'a receipt is paid for what the machine made, not for what was delivered',
    file: 'coordinator/settlement/jobs/sweeper.ts',
    find: "return { job, provider, result: 'completed', deliveredTokens, usage };",
    by: "return { job, provider, result: 'completed', deliveredTokens: usage.completionTokens, usage };",
  },
  {
    name: 'proofs of delivery are not checked',
    file: 'coordinator/settlement/jobs/receipts.ts',
    find: 'this.#proofs.isProven({ provider, job, attempt, tokens: delivered.tokens }, delivered.proof)',
    by: 'delivered.tokens > 0',
  },
  {
    name: 'the bill of a machine is not limited to the delivered tokens',
    file: 'coordinator/settlement/core/charge.ts',
    find: 'end.usage?.completionTokens ?? end.deliveredTokens,\n    end.deliveredTokens,',
    by: 'end.usage?.completionTokens ?? end.deliveredTokens,',
  },
  {
    name: 'jobs without an end are never swept',
    file: 'coordinator/settlement/jobs/sweeper.ts',
    find: 'this.#timer = setInterval(() => this.#run(), options.everyMs);',
    by: 'this.#timer = setInterval(() => undefined, options.everyMs);',
  },
  {
    name: 'settlement acknowledges an end before it is settled',
    file: 'coordinator/settlement/jobs/ended-jobs.ts',
    find: 'if (await this.#isSettled(message)) message.ack();',
    by: 'message.ack();\n      if (await this.#isSettled(message)) return;',
  },
  {
    name: 'a machine is not told that its receipt is stored',
    file: 'coordinator/settlement/jobs/receipts.ts',
    find: 'this.#acknowledge(await store.receipts.record(rows));',
    by: 'await store.receipts.record(rows);',
  },
  {
    name: 'the time of a hold follows the clock of the ingress',
    file: 'coordinator/settlement/jobs/holds.ts',
    find: 'lifeMs ?? expiresAt - this.#options.now()',
    by: 'expiresAt - this.#options.now()',
  },
];

const ACCOUNTS_AND_TRUST: readonly Mutation[] = [
  {
    name: 'accounts does not tell that a key was removed',
    file: 'coordinator/accounts/keys/keys.ts',
    find: 'if (changed !== undefined) this.#changed(key, changed.account);',
    by: '',
  },
  {
    name: 'a removed key still identifies its account',
    file: 'coordinator/accounts/keys/keys.ts',
    find: 'if (row.revokedAt !== null || row.disabled)',
    by: 'if (row.disabled)',
  },
  {
    name: 'a removed machine keeps its connection',
    file: 'coordinator/trust/enrolment.ts',
    find: 'await resolver.expel([provider]);',
    by: '',
    noticedWith: {
      rule: 'a removed machine serves nothing after one second',
      faults: [{ at: 10_000, kind: 'removal', host: 'machine-4', forMs: 0 }],
    },
  },
];

const FACTS: readonly Mutation[] = [
  {
    name: 'a fact is published once, whatever happens',
    file: 'coordinator/event-publisher.ts',
    find: "if (outcome === 'stored') break;",
    by: 'break;',
  },
  {
    name: 'telemetry acknowledges facts before it stores them, and forgets a failed batch',
    file: 'coordinator/telemetry/fact-reader.ts',
    find: '        await this.#options.store(batch);\n        for',
    by: '        for (const message of batch) message.ack();\n        await this.#options.store(batch).catch(() => undefined);\n        for',
  },
];

const MACHINE: readonly Mutation[] = [
  {
    name: 'a machine does not send lost frames again',
    file: 'provider/agent/frame-sender.ts',
    find: 'if (kept !== undefined) this.#options.send(kept.frame);',
    by: '',
  },
  {
    name: 'a machine never sends a receipt again',
    file: 'provider/agent/receipts.ts',
    find: 'outstanding.nextAt = now + outstanding.pauseMs;',
    by: 'outstanding.nextAt = Number.POSITIVE_INFINITY;',
  },
  {
    name: 'a machine keeps receipts that were acknowledged',
    file: 'provider/agent/receipts.ts',
    find: 'of receipts) this.#outstanding.delete(',
    by: 'of receipts) this.#outstanding.has(',
  },
  {
    name: 'a machine keeps the jobs of an ingress that is gone',
    file: 'provider/agent/provider-job.ts',
    find: 'return silentMs < INGRESS_SILENCE_MS;',
    by: 'return silentMs < Number.POSITIVE_INFINITY;',
  },
  {
    name: 'a machine keeps the first proof of delivery instead of the newest',
    file: 'provider/agent/provider-job.ts',
    find: 'if (proof !== undefined && tokens > (this.#delivered?.tokens ?? 0))',
    by: 'if (proof !== undefined && this.#delivered === undefined)',
  },
  {
    name: 'all messages of a job are sealed under one number',
    file: 'bus-schemas/sealing/job-seals.ts',
    find: 'this.#nonceNumber.setUint32(8, seq);',
    by: '',
  },
];

const CONNECTIONS: readonly Mutation[] = [
  {
    name: 'a process that lost the hub drops the facts that were on their way',
    file: 'coordinator/event-publisher.ts',
    find: "case 'unavailable':\n          return 'failed';",
    by: "case 'unavailable':\n          return 'closed';",
  },
];

export const mutations: readonly Mutation[] = [
  ...INGRESS,
  ...ROUTING,
  ...SETTLEMENT,
  ...ACCOUNTS_AND_TRUST,
  ...FACTS,
  ...MACHINE,
  ...CONNECTIONS,
];
