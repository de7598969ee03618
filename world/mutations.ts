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
}

export const mutations: readonly Mutation[] = [
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
    name: 'a machine does not send lost frames again',
    file: 'provider/agent/frame-sender.ts',
    find: 'if (frame !== undefined) this.#options.send(frame);',
    by: '',
  },
  {
    name: 'a machine never sends a receipt again',
    file: 'provider/agent/receipts.ts',
    find: 'outstanding.nextAt = now + outstanding.pauseMs;',
    by: 'outstanding.nextAt = Number.POSITIVE_INFINITY;',
  },
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
  {
    name: 'settlement acknowledges an end before it is settled',
    file: 'coordinator/settlement/jobs/ended-jobs.ts',
    find: 'if (await this.#isSettled(message)) message.ack();',
    by: 'message.ack();\n      if (await this.#isSettled(message)) return;',
  },
  {
    name: 'no other machine is tried after a failed attempt',
    file: 'coordinator/ingress/core/job-attempts.ts',
    find: 'const exhausted = !outcome.retry ||',
    by: 'const exhausted = true || !outcome.retry ||',
  },
  {
    name: 'tokens that the client never received are counted as delivered',
    file: 'coordinator/ingress/core/job.ts',
    find: 'deliveredTokens: state.deliveredTokens + event.tokens,',
    by: 'deliveredTokens: state.deliveredTokens + event.tokens + 1,',
  },
  {
    name: 'a router never takes over the lease',
    file: 'coordinator/routing/core/election.ts',
    find: 'const TAKE_OVER_MS = 1_000;',
    by: 'const TAKE_OVER_MS = 1_000_000;',
  },
  {
    name: 'a stalled answer is never ended',
    file: 'coordinator/ingress/core/job.ts',
    find: "if (now >= state.endBy) return attemptFailed(state, attempt, 'stalled', now);\n  if (state.deliveredTokens > 0) {",
    by: 'if (state.deliveredTokens > 0) {\n    return stay(state);\n  }\n  if (state.deliveredTokens > 0) {',
  },
  {
    name: 'calls that were open when the connection broke wait for their time limit',
    file: 'coordinator/request-mux.ts',
    find: "this.#open.failAll('unavailable');",
    by: '',
  },
];
