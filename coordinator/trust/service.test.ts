import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Enrolled, Nkey, providerCredentials, services } from '#bus-schemas';
import { hashOf } from '#coordinator/secrets.ts';
import { RawLeaf } from '#testcontainers';
import { startTrustUnderTest, type Trust } from './trust-under-test.ts';

const CALL = { timeoutMs: 10_000 };
const HOUR_MS = 3_600_000;

let trust: Trust;
const heard: { subject: string; text: string }[] = [];
beforeAll(async () => {
  trust = await startTrustUnderTest();
  const { connection } = trust.bus;
  connection.subscribe('up.>', {
    callback: (_error, message) =>
      void heard.push({ subject: message.subject, text: message.string() }),
  });
  await connection.flush();
}, 60_000);
afterAll(() => trust[Symbol.asyncDispose]());

const newToken = async (lifetimeMs = HOUR_MS) =>
  (await trust.bus.call(services.trust.createToken, { lifetimeMs }, CALL)).token;
const enrol = (token: string, key: Nkey): Promise<Enrolled> =>
  trust.bus.call(services.trust.enrol, { token, userKey: key.getPublicKey(), name: 'a Mac' }, CALL);
const revoke = (provider: string) => trust.bus.call(services.trust.revoke, { provider }, CALL);

interface Machine {
  readonly provider: string;
  readonly credentialsFile: string;
  readonly token: string;
  readonly key: Nkey;
}
async function newMachine(): Promise<Machine> {
  const [token, key] = [await newToken(), Nkey.create('user')];
  const enrolled = await enrol(token, key);
  if (!enrolled.ok) throw new Error(enrolled.code);
  const credentialsFile = join(trust.home, `${enrolled.provider}.creds`);
  await writeFile(credentialsFile, providerCredentials(enrolled.userJwt, key));
  return { provider: enrolled.provider, credentialsFile, token, key };
}

const connectAs = ({ credentialsFile }: Machine) =>
  RawLeaf.connect({ url: trust.hub.leafUrl, credentialsFile });

/** Waits until the hub delivers the message under the name that the machine was given. */
async function expectWelcome(machine: Machine, word: string): Promise<void> {
  await vi.waitFor(
    async () => {
      using leaf = await connectAs(machine);
      leaf.publish('up.hello', word);
      await leaf.flush();
      await trust.bus.connection.flush();
      expect(heard).toContainEqual({ subject: `up.${machine.provider}.hello`, text: word });
    },
    { timeout: 10_000, interval: 50 },
  );
}

async function expectRefused(machine: Machine): Promise<void> {
  using leaf = await connectAs(machine);
  await leaf.closed;
  expect(leaf.errors.join()).toMatch(/Authorization/i);
}

describe('a token', () => {
  test('creates one provider, whose credentials the hub accepts', async () => {
    await expectWelcome(await newMachine(), 'first');
  });

  test('that the same key sends again gives the same provider, because the first answer may be lost', async () => {
    const { token, key, provider } = await newMachine();
    expect(await enrol(token, key)).toMatchObject({ ok: true, provider });
  });

  test('is useless to another key', async () => {
    const { token } = await newMachine();
    expect(await enrol(token, Nkey.create('user'))).toMatchObject({
      ok: false,
      code: 'used_token',
    });
  });

  test('that two keys send at once serves one of them', async () => {
    const token = await newToken();
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => enrol(token, Nkey.create('user'))),
    );
    expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
    expect(answers.filter((answer) => !answer.ok && answer.code === 'used_token')).toHaveLength(5);
  });

  test('that has expired or never existed is refused with its reason', async () => {
    expect(await enrol(await newToken(0), Nkey.create('user'))).toMatchObject({
      ok: false,
      code: 'expired_token',
    });
    expect(await enrol('a token that nobody made', Nkey.create('user'))).toMatchObject({
      ok: false,
      code: 'unknown_token',
    });
  });

  test('that nobody used is deleted a day after its end, and a used one is kept', async () => {
    const hashes = async () => {
      const { rows } = await trust.database.query<{ hash: Buffer }>(
        'SELECT hash FROM enrolment_tokens',
      );
      return rows.map(({ hash }) => hash.toString('hex'));
    };
    const { token: used } = await newMachine();
    const [unused, recent] = [await newToken(), await newToken(0)];
    await trust.database.query(
      "UPDATE enrolment_tokens SET expires_at = now() - interval '25 hours' WHERE hash = ANY($1)",
      [[hashOf(used), hashOf(unused)]],
    );
    await newToken();
    const left = await hashes();
    expect(left).not.toContain(hashOf(unused).toString('hex'));
    for (const kept of [used, recent]) expect(left).toContain(hashOf(kept).toString('hex'));
  });

  test('is stored in the database only as a hash', async () => {
    const { token } = await newMachine();
    const { rows } = await trust.database.query<{ line: string }>(
      'SELECT t::text AS line FROM enrolment_tokens t UNION ALL SELECT p::text FROM providers p',
    );
    expect(rows.length).toBeGreaterThan(1);
    const spellings = [
      token,
      Buffer.from(token).toString('hex'),
      Buffer.from(token, 'base64url').toString('hex'),
    ];
    for (const { line } of rows)
      for (const spelling of spellings) expect(line).not.toContain(spelling);
  });
});

describe('the owner of machines', () => {
  const linked = async (account: string) => {
    const { token } = await trust.bus.call(
      services.trust.createToken,
      { lifetimeMs: HOUR_MS, account },
      CALL,
    );
    return enrol(token, Nkey.create('user'));
  };
  const recordOf = async (account: string) =>
    (await trust.bus.call(services.trust.owners, { account }, CALL)).owners[0];

  test('links at most ten machines in a day, also when all of them arrive at once', async () => {
    const account = 'acct_manymachines';
    const answers = await Promise.all(Array.from({ length: 14 }, () => linked(account)));
    expect(answers.filter(({ ok }) => ok)).toHaveLength(10);
    expect(
      answers.filter((answer) => !answer.ok && answer.code === 'too_many_machines'),
    ).toHaveLength(4);
    expect(await recordOf(account)).toEqual({
      account,
      machines: 10,
      removed: 0,
      linkedLastDay: 10,
      caught: 0,
    });
    expect(await linked('acct_another')).toMatchObject({ ok: true });
    await trust.database.query(
      "UPDATE providers SET enrolled_at = enrolled_at - interval '1 day' WHERE account = $1",
      [account],
    );
    expect(await linked(account)).toMatchObject({ ok: true });
  });

  test('of an untrusted machine links no other until it is pardoned, whether it was removed or not', async () => {
    const account = 'acct_liar';
    const caught = async () => {
      const machine = await linked(account);
      if (!machine.ok) throw new Error(machine.code);
      await trust.bus.call(services.trust.accuse, { provider: machine.provider }, CALL);
      return machine.provider;
    };
    const present = await caught();
    expect(await linked(account)).toMatchObject({ ok: false, code: 'owner_caught' });
    expect(await trust.bus.call(services.trust.pardon, { provider: present }, CALL)).toMatchObject({
      pardoned: true,
    });
    const removed = await caught();
    await revoke(removed);
    expect(await linked(account)).toMatchObject({ ok: false, code: 'owner_caught' });
    expect(await recordOf(account)).toMatchObject({ machines: 2, removed: 1, caught: 1 });
    expect(await trust.bus.call(services.trust.pardon, { provider: removed }, CALL)).toMatchObject({
      pardoned: true,
    });
    expect(await linked(account)).toMatchObject({ ok: true });
  });
});

describe('a revocation', () => {
  test('ends the connection, refuses the next one, and cannot be undone by enrolling again', async () => {
    const machine = await newMachine();
    await expectWelcome(machine, 'before');
    using leaf = await vi.waitFor(async () => {
      const again = await connectAs(machine);
      expect(again.isOpen).toBe(true);
      return again;
    });
    expect(await revoke(machine.provider)).toMatchObject({ revoked: true });
    await leaf.closed;
    expect(await enrol(machine.token, machine.key)).toMatchObject({
      ok: false,
      code: 'used_token',
    });
    await expectRefused(machine);
  });

  test('may be repeated, and reports that a machine is unknown', async () => {
    const { provider } = await newMachine();
    expect(await revoke(provider)).toMatchObject({ revoked: true });
    expect(await revoke(provider)).toMatchObject({ revoked: true });
    expect(await revoke(Nkey.create('account').getPublicKey())).toMatchObject({ revoked: false });
  });

  test('of one machine does not affect the others', async () => {
    const [gone, stays] = [await newMachine(), await newMachine()];
    await expectWelcome(stays, 'stays before');
    await vi.waitFor(async () => {
      using leaf = await connectAs(stays);
      expect(leaf.isOpen).toBe(true);
      await revoke(gone.provider);
      leaf.publish('up.hello', 'stays after');
      await leaf.flush();
      expect(leaf.isOpen).toBe(true);
    });
    await vi.waitFor(() =>
      expect(heard).toContainEqual({ subject: `up.${stays.provider}.hello`, text: 'stays after' }),
    );
  });
});

describe('the accounts of the hub follow the database', () => {
  test('a hub that has lost its accounts gets them again, without the revoked ones', async () => {
    const [stays, gone] = [await newMachine(), await newMachine()];
    await revoke(gone.provider);
    await trust.loseAccounts();
    await expectWelcome(stays, 'after the loss');
    await expectRefused(gone);
  });

  test('a machine that was revoked while trust was disconnected is expelled when trust is back', async () => {
    const machine = await newMachine();
    await expectWelcome(machine, 'before the cut');
    await trust.stop();
    await trust.database.query('UPDATE providers SET revoked_at = now() WHERE id = $1', [
      machine.provider,
    ]);
    using leaf = await vi.waitFor(async () => {
      const again = await connectAs(machine);
      expect(again.isOpen).toBe(true);
      return again;
    });
    await trust.start();
    await leaf.closed;
    await expectRefused(machine);
  });
});
