import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { MAX_CONSOLE_SESSIONS } from '#bus-schemas';
import { hashOf } from '#coordinator/secrets.ts';
import { startAccountsDatabase } from '../accounts-under-test.ts';
import { People } from '../people/people.ts';
import { ConsoleSessions, IDLE_MS, LONGEST_MS } from './console-sessions.ts';
import { signInWithCode } from './sign-in.ts';
import { SignInCodes } from './sign-in-codes.ts';

const START = Date.parse('2026-11-28T12:00:00Z');
const HOUR_MS = 3_600_000;
const client = { userAgent: 'a browser', address: '192.0.2.7', by: 'link' } as const;

let store: Awaited<ReturnType<typeof startAccountsDatabase>>;
let sessions: ConsoleSessions;
let codes: SignInCodes;
let account: string;
let user: string;
let now = START;
const ended: string[] = [];

beforeAll(async () => {
  store = await startAccountsDatabase();
  const bus = {
    emit: (_subject: string, _kind: unknown, _fact: unknown, id: string) => ended.push(id),
  };
  sessions = new ConsoleSessions({ bus: bus as never, database: store.database, now: () => now });
  codes = new SignInCodes(store.database, () => now);
});
afterAll(() => store[Symbol.asyncDispose]());
beforeEach(async () => {
  now = START;
  ended.length = 0;
  const subject = crypto.randomUUID();
  const people = new People(store.database);
  ({ account, user } = await people.signIn({ issuer: 'https://issuer.example', subject }));
});

const start = (cookie: string) =>
  sessions.start({ sessionHash: hashOf(cookie), account, user, ...client });
const isKnown = async (cookie: string) => (await sessions.authenticate(hashOf(cookie))).ok;
/** A cookie that no other test uses. */
const cookieOf = (name: string) => `${name} of ${account}`;

describe('a session', () => {
  test('is in the audit log once, also if its start is repeated', async () => {
    const cookie = cookieOf('audited');
    const first = await start(cookie);
    await start(cookie);
    const { rows } = await store.database.query(
      'SELECT action, subject, detail, outcome FROM audit_log WHERE operator = $1',
      [account],
    );
    expect(rows).toEqual([
      {
        action: 'sign-in',
        subject: first.ok ? first.session.session : '',
        detail: JSON.stringify({ by: 'link', user_agent: 'a browser', address: '192.0.2.7' }),
        outcome: 'done',
      },
    ]);
  });

  test('goes on while it is used, and ends when it is not', async () => {
    const cookie = cookieOf('idle');
    await start(cookie);
    for (let used = 0; used < 3; used += 1) {
      now += IDLE_MS - 1;
      expect(await isKnown(cookie)).toBe(true);
    }
    now += IDLE_MS;
    expect(await isKnown(cookie)).toBe(false);
  });

  test('ends at its latest time although it is used', async () => {
    const cookie = cookieOf('busy');
    await start(cookie);
    for (; now < START + LONGEST_MS - HOUR_MS; now += HOUR_MS)
      expect(await isKnown(cookie)).toBe(true);
    now = START + LONGEST_MS;
    expect(await isKnown(cookie)).toBe(false);
  });

  test('is ended by its account only, and the end is published', async () => {
    const first = await start(cookieOf('first'));
    await start(cookieOf('second'));
    const id = first.ok ? first.session.session : '';
    expect(await sessions.end('acct_of0somebody0else', id)).toEqual([]);
    expect(await isKnown(cookieOf('first'))).toBe(true);
    expect(await sessions.end(account, id)).toEqual([id]);
    expect(ended).toEqual([`session-ended:${id}`]);
    expect([await isKnown(cookieOf('first')), await isKnown(cookieOf('second'))]).toEqual([
      false,
      true,
    ]);
  });

  test('replaces the least recently used one above the most of an account', async () => {
    for (let made = 0; made <= MAX_CONSOLE_SESSIONS; made += 1) {
      now += 1_000;
      await start(cookieOf(String(made)));
      // The first one stays in use, so the second one is the least recently used.
      now += 1_000;
      await isKnown(cookieOf('0'));
    }
    expect(await sessions.list(account)).toHaveLength(MAX_CONSOLE_SESSIONS);
    expect([await isKnown(cookieOf('0')), await isKnown(cookieOf('1'))]).toEqual([true, false]);
  });

  test('that has ended is deleted', async () => {
    await start(cookieOf('old'));
    now += IDLE_MS + 1;
    await sessions.deleteOld();
    const { rows } = await store.database.query(
      'SELECT 1 FROM console_sessions WHERE account = $1',
      [account],
    );
    expect(rows).toEqual([]);
  });
});

describe('a code', () => {
  const redeem = (code: string, cookie: string) =>
    signInWithCode(
      { codes, sessions },
      { codeHash: hashOf(code), sessionHash: hashOf(cookie), ...client },
    );
  const create = (code: string) =>
    codes.create({ codeHash: hashOf(code), account, user, expiresAt: now + HOUR_MS });

  test('starts one session, also if the call is repeated because its reply was lost', async () => {
    const code = cookieOf('code');
    await create(code);
    const first = await redeem(code, cookieOf('cookie'));
    expect(first).toMatchObject({ ok: true, session: { account, user } });
    expect(await redeem(code, cookieOf('cookie'))).toMatchObject({
      ok: true,
      session: { session: first.ok && first.session.session },
    });
    expect(await redeem(code, cookieOf('thief'))).toEqual({ ok: false, code: 'used' });
    expect(await sessions.list(account)).toHaveLength(1);
  });

  test('that is unknown or expired starts none', async () => {
    const code = cookieOf('late code');
    await create(code);
    now += HOUR_MS;
    expect(await redeem(code, cookieOf('cookie'))).toEqual({ ok: false, code: 'expired' });
    expect(await redeem('a guess', cookieOf('cookie'))).toEqual({ ok: false, code: 'unknown' });
    expect(await sessions.list(account)).toEqual([]);
  });

  test('is refused for an account that does not exist', async () => {
    const unknown = { codeHash: hashOf('x'), account: 'acct_none', expiresAt: now + HOUR_MS };
    expect(await codes.create(unknown)).toBe(false);
  });

  test('is deleted a day after it has expired', async () => {
    await create(cookieOf('deleted'));
    now += 26 * HOUR_MS;
    await codes.deleteOld();
    expect(await codes.redeem(hashOf(cookieOf('deleted')))).toBeUndefined();
  });
});
