import { expect, vi } from 'vitest';
import {
  events,
  type Held,
  type JobEnded,
  JobEnded as JobEndedMessage,
  type MaxPrice,
  newJobId,
  type Receipt,
  randomToken,
  services,
} from '#bus-schemas';
import { digestOf } from './core/digest.ts';
import { LedgerStore } from './ledger/ledger-store.ts';
import {
  KEY,
  MODEL,
  PROVIDER,
  RECEIPT_KEY,
  type Settlement,
  signed,
} from './settlement-under-test.ts';

const timeoutMs = 20_000;

export interface Ask {
  readonly job?: string;
  readonly account: string;
  readonly key?: string;
  readonly provider?: string;
  readonly outputBound?: number;
  readonly isBatchLine?: boolean;
  readonly maxPrice?: MaxPrice;
  readonly lifeMs?: number;
  /** Other jobs with the same bounds, whose money is set aside together with this one. */
  readonly choices?: readonly string[];
}

export const newAccount = () => `acct_${randomToken(12)}`;

export function ended(job: string, account: string, changes: Partial<JobEnded> = {}): JobEnded {
  return {
    job,
    account,
    key: KEY,
    ingress: 'in_000000000000',
    model: MODEL.id,
    build: 'sim-build',
    provider: PROVIDER,
    attempts: 1,
    result: 'completed',
    finish: 'stop',
    at: Date.now(),
    streamed: true,
    deliveredTokens: 20,
    promptBound: 100,
    usage: { promptTokens: 30, cachedTokens: 0, completionTokens: 20 },
    receiptKey: RECEIPT_KEY,
    timing: { routeUs: 0, holdUs: 0, totalUs: 0 },
    ...changes,
  };
}

export function receiptOf(job: string, changes: Partial<Receipt> = {}): Receipt {
  return {
    job,
    attempt: 1,
    build: 'sim-build',
    usage: { promptTokens: 30, cachedTokens: 0, completionTokens: 20 },
    finish: 'stop',
    requestHash: new Uint8Array(32),
    responseHash: new Uint8Array(32),
    ...changes,
  };
}

/** Sends the messages of an ingress about jobs, and reads how their money has moved. */
export function jobsOf(settlement: () => Settlement) {
  const balanceOf = (account: string) =>
    settlement().bus.call(services.settlement.balance, { account }, { timeoutMs });
  return {
    balanceOf,
    /** Creates an account that has bought this much, in micro-dollars. */
    async fundedAccount(amountMicroUsd: number): Promise<string> {
      const account = newAccount();
      const entries = [
        { account: `consumer:${account}`, kind: 'consumer', amount: amountMicroUsd },
        { account: 'external:stripe', kind: 'external', amount: -amountMicroUsd },
      ] as const;
      const ledger = new LedgerStore(settlement().database, Date.now);
      await ledger.post({
        operation: `deposit:${account}`,
        kind: 'deposit',
        digest: digestOf([account]),
        entries,
      });
      return account;
    },
    async give(account: string, amountMicroUsd: number): Promise<void> {
      await settlement().bus.call(
        services.settlement.credit,
        { account, amountMicroUsd, operation: `gift ${randomToken(8)}` },
        { timeoutMs },
      );
    },
    /** The default bounds of 100 prompt tokens and 50 output tokens cost 200 micro-dollars. */
    ask({
      job = newJobId(),
      account,
      key = KEY,
      provider = PROVIDER,
      outputBound = 50,
      lifeMs = 600_000,
      maxPrice,
      isBatchLine,
      choices,
    }: Ask): Promise<Held> {
      const expiresAt = Date.now() + lifeMs;
      return settlement().bus.call(
        services.settlement.hold,
        {
          job,
          account,
          key,
          provider,
          model: MODEL.id,
          promptBound: 100,
          outputBound,
          expiresAt,
          ...(choices && {
            choices: choices.map((choice) => ({ job: choice, promptBound: 100, outputBound })),
          }),
          ...(maxPrice && { maxPrice }),
          ...(isBatchLine && { isBatchLine }),
        },
        { timeoutMs },
      );
    },
    /**
     * A receipt of a provider, with the ingress's proof of 20 delivered tokens or of the given
     * number.
     */
    provenReceipt(
      job: string,
      {
        tokens = 20,
        provider = PROVIDER,
        ...changes
      }: Partial<Receipt> & { tokens?: number; provider?: string } = {},
    ): Receipt {
      const receipt = receiptOf(job, changes);
      return signed({
        ...receipt,
        delivered: {
          tokens,
          proof: settlement().proofs.prove({ provider, job, attempt: receipt.attempt, tokens }),
        },
      });
    },
    /**
     * `copy` makes it another message of the stream, like one from an ingress that has restarted.
     */
    tell(fact: JobEnded, copy = ''): void {
      settlement().bus.emit(events.jobEnded, JobEndedMessage, fact, `ended:${fact.job}${copy}`);
    },
    shows: (account: string, availableMicroUsd: number, heldMicroUsd: number) =>
      vi.waitFor(
        async () =>
          expect(await balanceOf(account)).toMatchObject({ availableMicroUsd, heldMicroUsd }),
        { timeout: timeoutMs, interval: 20 },
      ),
    async ledgerBalance(id: string): Promise<number> {
      const { rows } = await settlement().database.query<{ balance: string }>(
        'SELECT balance FROM ledger_accounts WHERE id = $1',
        [id],
      );
      return Number(rows[0]?.balance ?? 0);
    },
  };
}
