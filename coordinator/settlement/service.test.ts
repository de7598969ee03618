import { AckPolicy } from '@nats-io/jetstream';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  Ack,
  consumers,
  core,
  events,
  type JobEnded,
  newJobId,
  newP256Key,
  p256Signer,
  type Receipt,
  Receipts,
  SettlementAlert,
  SettlementSettled,
  services,
  workText,
} from '#bus-schemas';
import { endpoint } from '#coordinator/bus.ts';
import { ended, jobsOf, newAccount, receiptOf } from './jobs-under-test.ts';
import { servedTokens } from './machine-earnings/served-tokens.ts';
import {
  KEY,
  MODEL,
  OTHER_PROVIDER,
  PROVIDER,
  type Settlement,
  signed,
  startSettlementUnderTest,
} from './settlement-under-test.ts';

let settlement: Settlement;
beforeAll(async () => {
  settlement = await startSettlementUnderTest({ receiptGraceMs: 200 });
}, 60_000);
afterAll(() => settlement[Symbol.asyncDispose]());

const { hold, topUp, credit, verify } = services.settlement;
const timeoutMs = 20_000;
const { ask, balanceOf, fundedAccount, give, provenReceipt, shows, tell, ledgerBalance } = jobsOf(
  () => settlement,
);

describe('a hold', () => {
  test('sets the price of both bounds aside, once however often it is requested', async () => {
    const account = await fundedAccount(1_000);
    const job = newJobId();
    const answers = await Promise.all([1, 2, 3].map(() => ask({ job, account })));
    expect(answers).toMatchObject([1, 2, 3].map(() => ({ ok: true, heldMicroUsd: 200 })));
    await shows(account, 800, 200);
  });

  test('is refused with the amount when the account owes', async () => {
    const account = await fundedAccount(1_000);
    const owes = (amount: number) =>
      settlement.database.query('UPDATE ledger_accounts SET owed = $2 WHERE id = $1', [
        `consumer:${account}`,
        amount,
      ]);
    await owes(7);
    expect(await ask({ account })).toMatchObject({
      ok: false,
      code: 'insufficient_funds',
      owedMicroUsd: 7,
    });
    await owes(0);
    expect(await ask({ account })).toMatchObject({ ok: true });
  });

  test('is refused with its reason: no money, no account, no price', async () => {
    const account = await fundedAccount(199);
    expect(await ask({ account })).toMatchObject({ ok: false, code: 'insufficient_funds' });
    expect(await ask({ account: newAccount() })).toMatchObject({
      ok: false,
      code: 'unknown_account',
    });
    const unpriced = {
      job: newJobId(),
      account,
      key: KEY,
      model: 'nobody-has-it',
      promptBound: 1,
      outputBound: 1,
      expiresAt: Date.now() + 1_000,
    };
    expect(await settlement.bus.call(hold, unpriced, { timeoutMs })).toMatchObject({
      ok: false,
      code: 'unpriced_model',
    });
    expect(await balanceOf(account)).toMatchObject({ availableMicroUsd: 199, heldMicroUsd: 0 });
  });

  test('lasts as long as its ingress asks, however wrong the clock of the ingress is', async () => {
    const account = await fundedAccount(1_000);
    const job = newJobId();
    const asked = {
      job,
      account,
      key: KEY,
      model: MODEL.id,
      promptBound: 1,
      outputBound: 1,
      lifeMs: 180_000,
      expiresAt: Date.now() - 420_000,
    };
    expect(await settlement.bus.call(hold, asked, { timeoutMs })).toMatchObject({ ok: true });
    const { rows } = await settlement.database.query(
      "SELECT expires_at > now() + interval '2 minutes' AS lasts FROM holds WHERE job = $1",
      [job],
    );
    expect(rows).toEqual([{ lasts: true }]);
  });

  test('of several choices is made for all of them or for none', async () => {
    const account = await fundedAccount(599);
    const choices = [newJobId(), newJobId()];
    const job = newJobId();
    expect(await ask({ job, account, choices })).toMatchObject({
      ok: false,
      code: 'insufficient_funds',
    });
    expect(await balanceOf(account)).toMatchObject({ availableMicroUsd: 599, heldMicroUsd: 0 });
    await give(account, 1);
    const answers = await Promise.all([1, 2].map(() => ask({ job, account, choices })));
    const held = { ok: true, heldMicroUsd: 200, forChoices: true };
    expect(answers).toMatchObject([held, held]);
    expect(await balanceOf(account)).toMatchObject({ availableMicroUsd: 0, heldMicroUsd: 600 });
    // Each choice is settled by its own end.
    tell(ended(choices[0] as string, account, { result: 'failed', deliveredTokens: 0 }));
    await shows(account, 200, 400);
    for (const open of [job, choices[1] as string]) tell(ended(open, account));
    await shows(account, 460, 0);
  });

  test('of several choices that a key cannot afford names what all of them may cost', async () => {
    const account = await fundedAccount(10_000);
    const key = 'key_choices';
    await settlement.bus.call(
      services.settlement.setKeyCaps,
      { key, account, caps: { day: 500 } },
      { timeoutMs },
    );
    const choices = [newJobId(), newJobId()];
    expect(await ask({ account, key, choices })).toMatchObject({
      code: 'key_limit',
      shortage: { capMicroUsd: 500, usedMicroUsd: 0, neededMicroUsd: 600 },
    });
  });

  test('requested again with other values is a conflict that raises an alert; the first one stands', async () => {
    const account = await fundedAccount(1_000);
    const job = newJobId();
    const alerts = settlement.bus.connection.subscribe(events.settlementAlert, { max: 1 });
    const answers = await Promise.all([
      ask({ job, account }),
      ask({ job, account, outputBound: 51 }),
    ]);
    expect(answers).toMatchObject([
      { ok: true, heldMicroUsd: 200 },
      { ok: false, code: 'operation_conflict' },
    ]);
    for await (const { data } of alerts)
      expect(SettlementAlert.decode(data)).toMatchObject({
        alert: 'operation_conflict',
        subject: `hold:${job}`,
      });
    await shows(account, 800, 200);
  });

  test('with absurd bounds is refused, and other holds of its batch succeed', async () => {
    const account = await fundedAccount(1_000);
    const answers = await Promise.all([
      ask({ account }),
      ask({ account, outputBound: Number.MAX_SAFE_INTEGER, lifeMs: 8e15 }),
      ask({ account }),
    ]);
    expect(answers.map((answer) => answer.ok)).toEqual([true, false, true]);
  });

  test('is granted as often as the account can pay, also for ten thousand requests at once', async () => {
    const account = await fundedAccount(200 * 1_234);
    const jobs = Array.from({ length: 10_000 }, () => newJobId());
    const answers = await Promise.all(
      jobs.map((job) => repeatedUntilConnected(() => ask({ account, job }))),
    );
    expect(answers.filter(({ ok }) => ok)).toHaveLength(1_234);
    expect(await balanceOf(account)).toMatchObject({
      availableMicroUsd: 0,
      heldMicroUsd: 200 * 1_234,
    });
  }, 60_000);
});

describe('the end of a job', () => {
  test('charges once, pays the provider, takes the fee and publishes a fact', async () => {
    const account = await fundedAccount(1_000);
    const job = newJobId();
    const [paid, fees] = await Promise.all([
      ledgerBalance(`provider:${PROVIDER}`),
      ledgerBalance('platform:fees'),
    ]);
    await ask({ job, account });
    const facts = settlement.bus.connection.subscribe(events.settlementSettled);
    for (const copy of ['', 'a', 'b']) tell(ended(job, account), copy);
    await shows(account, 930, 0);
    for await (const { data } of facts) {
      const fact = SettlementSettled.decode(data);
      if (fact.job !== job) continue;
      expect(fact).toMatchObject({
        account,
        outcome: 'settled',
        heldMicroUsd: 200,
        chargedMicroUsd: 70,
        providerMicroUsd: 67,
        feeMicroUsd: 3,
        provider: PROVIDER,
      });
      break;
    }
    await settlement.bus.flushEvents(timeoutMs);
    await everythingRead();
    expect(await ledgerBalance(`provider:${PROVIDER}`)).toBe(paid + 67);
    expect(await ledgerBalance('platform:fees')).toBe(fees + 3);
    await vi.waitFor(async () =>
      expect((await settlement.database.query('SELECT 1 FROM settlement_outbox')).rowCount).toBe(0),
    );
  });

  test('releases the whole hold when the job failed', async () => {
    const account = await fundedAccount(1_000);
    const job = newJobId();
    await ask({ job, account });
    const {
      provider: _,
      usage: __,
      finish: ___,
      ...failed
    } = ended(job, account, { result: 'failed', deliveredTokens: 0 });
    tell(failed);
    await shows(account, 1_000, 0);
  });

  test('that arrives before the hold leaves nothing held', async () => {
    const account = await fundedAccount(1_000);
    const job = newJobId();
    tell(ended(job, account, { result: 'failed', deliveredTokens: 0 }));
    await vi.waitFor(async () =>
      expect(
        (await settlement.database.query('SELECT 1 FROM charges WHERE job = $1', [job])).rowCount,
      ).toBe(1),
    );
    expect(await ask({ job, account })).toMatchObject({ ok: false, code: 'operation_conflict' });
    expect(await balanceOf(account)).toMatchObject({ availableMicroUsd: 1_000, heldMicroUsd: 0 });
  });

  test('with delivered tokens is charged even if the database lost its hold', async () => {
    const account = await fundedAccount(1_000);
    tell(ended(newJobId(), account));
    await shows(account, 930, 0);
  });

  test('that cannot be read is removed and raises an alert; the next one is settled', async () => {
    const account = await fundedAccount(1_000);
    const job = newJobId();
    await ask({ job, account });
    const alerts = settlement.bus.connection.subscribe(events.settlementAlert, { max: 1 });
    await settlement.bus.jetstream.publish(events.jobEnded, Uint8Array.of(0xc1, 1, 2));
    tell(ended(job, account));
    for await (const { data } of alerts)
      expect(SettlementAlert.decode(data).alert).toBe('poison_event');
    await shows(account, 930, 0);
    await everythingRead();
  });
});

describe('a receipt', () => {
  test('is acknowledged to its provider after it is stored', async () => {
    const acks = settlement.bus.connection.subscribe(core.down(PROVIDER, 'ack'), { max: 1 });
    const job = newJobId();
    await ask({ job, account: await fundedAccount(1_000) });
    settlement.bus.publish(core.up(PROVIDER, 'receipt'), Receipts, {
      receipts: [signed(receiptOf(job))],
    });
    for await (const { data } of acks) {
      expect(Ack.decode(data).receipts).toEqual([{ job, attempt: 1 }]);
      expect(
        (await settlement.database.query('SELECT provider FROM receipts WHERE job = $1', [job]))
          .rows,
      ).toEqual([{ provider: PROVIDER }]);
    }
  });

  test('settles a job whose ingress never reported its end', async () => {
    const account = await fundedAccount(1_000);
    const job = newJobId();
    await ask({ job, account });
    settlement.bus.publish(core.up(PROVIDER, 'receipt'), Receipts, {
      receipts: [provenReceipt(job)],
    });
    await shows(account, 930, 0);
  });

  test('of a provider that the job moved away from ends nothing while the next one serves', async () => {
    const account = await fundedAccount(1_000);
    const [job, witness] = [newJobId(), newJobId()];
    await Promise.all([ask({ job, account }), ask({ job: witness, account })]);
    await settlement.bus.call(topUp, { job, provider: OTHER_PROVIDER }, { timeoutMs });
    settlement.bus.publish(core.up(PROVIDER, 'receipt'), Receipts, {
      receipts: [signed(receiptOf(job))],
    });
    // Receipts are checked together: when the later one has settled its job, the earlier one has
    // been skipped.
    await vi.waitFor(async () =>
      expect(
        (await settlement.database.query('SELECT 1 FROM receipts WHERE job = $1', [job])).rowCount,
      ).toBe(1),
    );
    settlement.bus.publish(core.up(PROVIDER, 'receipt'), Receipts, {
      receipts: [provenReceipt(witness)],
    });
    await shows(account, 730, 200);
    tell(ended(job, account, { provider: OTHER_PROVIDER, attempts: 2 }));
    await shows(account, 860, 0);
  });

  test('from each of two providers for one job pays neither; the hold is released at its expiry', async () => {
    const account = await fundedAccount(1_000);
    const [job, witness] = [newJobId(), newJobId()];
    await Promise.all([ask({ job, account, lifeMs: 2_000 }), ask({ job: witness, account })]);
    await settlement.bus.call(topUp, { job, provider: OTHER_PROVIDER }, { timeoutMs });
    const paid = await ledgerBalance(`provider:${OTHER_PROVIDER}`);
    for (const provider of [PROVIDER, OTHER_PROVIDER])
      settlement.bus.publish(core.up(provider, 'receipt'), Receipts, {
        receipts: [provenReceipt(job, { provider })],
      });
    settlement.bus.publish(core.up(PROVIDER, 'receipt'), Receipts, {
      receipts: [provenReceipt(witness)],
    });
    await shows(account, 930, 0);
    expect(await ledgerBalance(`provider:${OTHER_PROVIDER}`)).toBe(paid);
  });

  test('of the machine that continued an answer pays this machine, and only once it has arrived', async () => {
    const account = await fundedAccount(1_000);
    const [job, witness] = [newJobId(), newJobId()];
    await Promise.all([ask({ job, account }), ask({ job: witness, account })]);
    await settlement.bus.call(topUp, { job, provider: OTHER_PROVIDER }, { timeoutMs });
    const paid = await ledgerBalance(`provider:${OTHER_PROVIDER}`);
    settlement.bus.publish(core.up(PROVIDER, 'receipt'), Receipts, {
      receipts: [provenReceipt(job, { finish: 'cancelled', tokens: 5 }), provenReceipt(witness)],
    });
    await shows(account, 730, 200);
    settlement.bus.publish(core.up(OTHER_PROVIDER, 'receipt'), Receipts, {
      receipts: [
        provenReceipt(job, {
          attempt: 2,
          provider: OTHER_PROVIDER,
          continuedTokens: 5,
          tokens: 15,
        }),
      ],
    });
    await shows(account, 870, 0);
    expect(await ledgerBalance(`provider:${OTHER_PROVIDER}`)).toBeGreaterThan(paid);
  });

  test('without delivered tokens yields to the one of the machine that delivered them', async () => {
    const account = await fundedAccount(1_000);
    const job = newJobId();
    await ask({ job, account });
    await settlement.bus.call(topUp, { job, provider: OTHER_PROVIDER }, { timeoutMs });
    settlement.bus.publish(core.up(OTHER_PROVIDER, 'receipt'), Receipts, {
      receipts: [
        signed(
          receiptOf(job, {
            attempt: 2,
            finish: 'cancelled',
            usage: { promptTokens: 1, cachedTokens: 0, completionTokens: 1 },
          }),
        ),
      ],
    });
    settlement.bus.publish(core.up(PROVIDER, 'receipt'), Receipts, {
      receipts: [provenReceipt(job)],
    });
    await shows(account, 930, 0);
  });

  test('settles for the tokens with a proof of the ingress, and for none without a proof', async () => {
    const proofOf = (job: string, changes: object) =>
      settlement.proofs.prove({ provider: PROVIDER, job, attempt: 1, tokens: 20, ...changes });
    // 30 prompt tokens at 1 micro-dollar, and the delivered tokens at 2.
    const cases: readonly [string, number, (job: string) => readonly Receipt[]][] = [
      ['a proof of five of the twenty', 40, (job) => [provenReceipt(job, { tokens: 5 })]],
      [
        'a proof of more tokens than the provider generated',
        70,
        (job) => [provenReceipt(job, { tokens: 30 })],
      ],
      [
        'a newer proof after the first receipt',
        60,
        (job) => [provenReceipt(job, { tokens: 5 }), provenReceipt(job, { tokens: 15 })],
      ],
      [
        'an older proof after the first receipt',
        60,
        (job) => [provenReceipt(job, { tokens: 15 }), signed(receiptOf(job))],
      ],
      ['no proof', 0, (job) => [signed(receiptOf(job))]],
      [
        'the proof of a smaller number',
        0,
        (job) => [
          signed(receiptOf(job, { delivered: { tokens: 20, proof: proofOf(job, { tokens: 5 }) } })),
        ],
      ],
      [
        'the proof of another job',
        0,
        (job) => [
          signed(receiptOf(job, { delivered: { tokens: 20, proof: proofOf(newJobId(), {}) } })),
        ],
      ],
      [
        'the proof of another provider',
        0,
        (job) => [
          signed(
            receiptOf(job, {
              delivered: { tokens: 20, proof: proofOf(job, { provider: OTHER_PROVIDER }) },
            }),
          ),
        ],
      ],
      [
        'the proof of another attempt',
        0,
        (job) => [
          signed(
            receiptOf(job, { delivered: { tokens: 20, proof: proofOf(job, { attempt: 2 }) } }),
          ),
        ],
      ],
    ];
    const accounts = await Promise.all(cases.map(() => fundedAccount(1_000)));
    const jobs = cases.map(() => newJobId());
    await Promise.all(
      accounts.map((account, index) => ask({ job: jobs[index] as string, account })),
    );
    for (const [index, [, , receipts]] of cases.entries()) {
      settlement.bus.publish(core.up(PROVIDER, 'receipt'), Receipts, {
        receipts: [...receipts(jobs[index] as string)],
      });
    }
    await Promise.all(
      cases.map(([, cost], index) => shows(accounts[index] as string, 1_000 - cost, 0)),
    );
  });

  test('that is unsigned, or signed with a key that trust has not verified, pays no provider', async () => {
    const account = await fundedAccount(1_000);
    const [unsigned, foreign, forged] = [newJobId(), newJobId(), newJobId()];
    await Promise.all([unsigned, foreign, forged].map((job) => ask({ job, account })));
    const stranger = p256Signer(newP256Key());
    const work = provenReceipt(foreign);
    const { signature: _, signingKey: __, ...bare } = provenReceipt(unsigned);
    const paid = await ledgerBalance(`provider:${PROVIDER}`);
    settlement.bus.publish(core.up(PROVIDER, 'receipt'), Receipts, {
      receipts: [
        bare,
        { ...work, signature: stranger.sign(workText(work)), signingKey: stranger.publicKey },
        {
          ...provenReceipt(forged),
          usage: { promptTokens: 30, cachedTokens: 0, completionTokens: 21 },
        },
      ],
    });
    await shows(account, 1_000, 0);
    expect(await ledgerBalance(`provider:${PROVIDER}`)).toBe(paid);
    expect(await settlement.bus.call(verify, {}, { timeoutMs })).toMatchObject({ ok: true });
  });
});

describe('the end of a job without a signed receipt', () => {
  const unsigned = (job: string, account: string): JobEnded => {
    const { receiptKey: _, ...fact } = ended(job, account);
    return fact;
  };

  test('is charged after the provider’s signed receipt arrives, for no more than it covers', async () => {
    const account = await fundedAccount(1_000);
    const job = newJobId();
    await ask({ job, account });
    const told = unsigned(job, account);
    for (const copy of ['', 'again'])
      tell({ ...told, usage: { promptTokens: 30, cachedTokens: 0, completionTokens: 20 } }, copy);
    await everythingRead();
    const less = { promptTokens: 30, cachedTokens: 0, completionTokens: 10 };
    settlement.bus.publish(core.up(PROVIDER, 'receipt'), Receipts, {
      receipts: [signed(receiptOf(job, { usage: less }))],
    });
    await shows(account, 950, 0);
  });

  test('costs nothing and pays no provider without its own receipt in time', async () => {
    const account = await fundedAccount(1_000);
    const [silent, foreign] = [newJobId(), newJobId()];
    await Promise.all([silent, foreign].map((job) => ask({ job, account })));
    const paid = await ledgerBalance(`provider:${PROVIDER}`);
    tell(unsigned(silent, account));
    tell({ ...unsigned(foreign, account), receiptKey: p256Signer(newP256Key()).publicKey });
    await shows(account, 1_000, 0);
    expect(await ledgerBalance(`provider:${PROVIDER}`)).toBe(paid);
    expect(await settlement.bus.call(verify, {}, { timeoutMs })).toMatchObject({
      ok: true,
      overdueHolds: 0,
    });
  });
});

describe('a credit', () => {
  test('is given once for each name; the same name with another amount is a conflict', async () => {
    const account = newAccount();
    const operation = `gift ${account}`;
    const give = (amountMicroUsd: number) =>
      settlement.bus.call(credit, { account, amountMicroUsd, operation }, { timeoutMs });
    expect(await Promise.all([give(70), give(70), give(70)])).toMatchObject(
      [1, 2, 3].map(() => ({ ok: true, availableMicroUsd: 70 })),
    );
    expect(await give(71)).toMatchObject({ ok: false, code: 'operation_conflict' });
    expect(await balanceOf(account)).toMatchObject({ availableMicroUsd: 70, heldMicroUsd: 0 });
  });
});

describe('the ledger', () => {
  test('refuses every change of stored rows', async () => {
    await fundedAccount(1_000);
    for (const statement of [
      'UPDATE ledger_entries SET amount = 1',
      'DELETE FROM ledger_entries',
      'TRUNCATE ledger_entries',
      'DELETE FROM ledger_transactions',
      'UPDATE charges SET charged = 0',
      'DELETE FROM ledger_accounts',
      'DELETE FROM price_versions',
    ]) {
      await expect(settlement.database.query(statement)).rejects.toThrow('permission denied');
    }
  });

  test('verifies, and detects a changed balance, an unbalanced transaction and a wrong debt', async () => {
    const account = await fundedAccount(1_000);
    expect(await settlement.bus.call(verify, {}, { timeoutMs })).toMatchObject({
      ok: true,
      driftedBalances: 0,
      unbalancedTransactions: 0,
    });
    const database = settlement.database;
    await database.query('UPDATE ledger_accounts SET balance = balance + 1 WHERE id = $1', [
      `consumer:${account}`,
    ]);
    expect(await settlement.bus.call(verify, {}, { timeoutMs })).toMatchObject({
      ok: false,
      driftedBalances: 1,
    });
    await database.query(
      "INSERT INTO ledger_transactions (operation, kind, digest) VALUES ('by hand', 'credit', '')",
    );
    await database.query(
      "INSERT INTO ledger_entries (operation, account, amount) VALUES ('by hand', $1, 1)",
      [`consumer:${account}`],
    );
    for (const full of [false, true]) {
      expect(await settlement.bus.call(verify, { full }, { timeoutMs })).toMatchObject({
        ok: false,
        driftedBalances: 0,
        unbalancedTransactions: 1,
      });
    }
    await expect(
      database.query('UPDATE ledger_accounts SET balance = -1 WHERE id = $1', [
        `consumer:${account}`,
      ]),
    ).rejects.toThrow('never_negative');
  });
});

const LIFETIME = {
  firstSeenAt: 0,
  seenAt: 0,
  served: 1,
  failed: 0,
  refused: 0,
  blamed: 0,
  tokens: 1,
};

/** Waits until every fact is acknowledged, not only delivered. */
async function everythingRead(): Promise<void> {
  const manager = await settlement.bus.manager();
  const { stream, name } = consumers.settlementJobs;
  await vi.waitFor(
    async () => {
      const info = await manager.consumers.info(stream, name);
      expect(info.config.ack_policy).toBe(AckPolicy.Explicit);
      expect(info.num_pending + info.num_ack_pending).toBe(0);
    },
    { timeout: timeoutMs, interval: 20 },
  );
}

test('a machine sees what it earned by day and model, and the jobs that were paid', async () => {
  const provider = `A${'E'.repeat(55)}`;
  const account = await fundedAccount(1_000);
  const [job, refunded] = [newJobId(), newJobId()];
  await ask({ job, account, provider });
  await ask({ job: refunded, account, provider });
  tell(ended(job, account, { provider }));
  tell(ended(refunded, account, { provider, result: 'failed' }));
  await shows(account, 930, 0);
  const { days, jobs } = await settlement.bus.call(
    services.settlement.machineEarnings,
    { provider },
    { timeoutMs },
  );
  const earned = { model: 'sim-model', promptTokens: 30, completionTokens: 20, amountMicroUsd: 67 };
  expect(days).toEqual([{ day: new Date().toISOString().slice(0, 10), jobs: 1, ...earned }]);
  expect(jobs).toMatchObject([{ job, ...earned }]);
});

test('the answer tokens of machines are counted for paid jobs of the last 30 days only', async () => {
  const [provider, idle] = [`A${'I'.repeat(55)}`, `A${'J'.repeat(55)}`];
  const account = await fundedAccount(1_000);
  const [job, refunded] = [newJobId(), newJobId()];
  await ask({ job, account, provider });
  await ask({ job: refunded, account, provider });
  tell(ended(job, account, { provider }));
  tell(ended(refunded, account, { provider, result: 'failed' }));
  await shows(account, 930, 0);
  const served = await settlement.bus.call(
    services.settlement.servedTokens,
    { providers: [provider, idle] },
    { timeoutMs },
  );
  expect(served.machines).toEqual([{ provider, jobs: 1, tokens: 20 }]);
  const providers = [provider];
  const later = (days: number) =>
    servedTokens(settlement.database, { providers, now: Date.now() + days * 86_400_000 });
  expect(await later(29)).toHaveLength(1);
  expect(await later(31)).toEqual([]);
});

test('what machines earned from a model is shown by chip, once three owners have earned', async () => {
  const machines = ['F', 'G', 'H'].map((letter) => `A${letter.repeat(55)}`);
  let isRoutingAway = false;
  await using _routing = await settlement.bus.serve('routing', [
    endpoint(services.routing.records, ({ providers }) => {
      if (isRoutingAway) throw new Error('no connection to the database');
      return {
        records: providers
          .filter((provider) => machines.includes(provider))
          .map((provider) => ({ provider, lifetime: { ...LIFETIME, chip: 'Apple M4' } })),
      };
    }),
  ]);
  const earned = async () =>
    (await settlement.bus.call(services.settlement.modelEarnings, {}, { timeoutMs })).rows.filter(
      ({ chip }) => chip === 'Apple M4',
    );
  for (const [index, provider] of machines.entries()) {
    expect(await earned()).toEqual([]);
    settlement.owners.set(provider, `acct_owner${index}`);
    const account = await fundedAccount(1_000);
    const job = newJobId();
    await ask({ job, account, provider });
    tell(ended(job, account, { provider }));
    await shows(account, 930, 0);
  }
  expect(await earned()).toEqual([
    { model: 'sim-model', chip: 'Apple M4', machines: 3, medianMicroUsd: 67 },
  ]);
  // An answer without chips would be kept by ingresses for minutes.
  isRoutingAway = true;
  await expect(earned()).rejects.toThrow('no connection to the database');
});

/**
 * Repeats a request that found no free connection to the database, as ingresses do. Of thousands of
 * requests at once, some wait longer than the pool allows if the machine is busy.
 */
async function repeatedUntilConnected<Answer>(once: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    try {
      return await once();
    } catch (error) {
      if (!/timeout exceeded when trying to connect/.test(String(error))) throw error;
    }
  }
}
