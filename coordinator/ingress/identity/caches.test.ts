import { expect, test } from 'vitest';
import type { Bus } from '#coordinator/bus.ts';
import { KeyCache } from './key-cache.ts';
import { SessionCache } from './session-cache.ts';

/** A bus on which events come late: none arrives during the test. */
function busWithoutEvents(answer: () => unknown): Bus {
  return {
    subscribe: () => ({ unsubscribe: () => {} }),
    call: async () => answer(),
  } as unknown as Bus;
}
const now = () => 0;

test('a key that this ingress has changed is looked up again at once', async () => {
  const limits = { rpm: 5 };
  let answer: object = { ok: true, key: 'key_1', account: 'acct_1', limits: {} };
  using keys = new KeyCache(
    busWithoutEvents(() => answer),
    { clock: now, now },
  );
  await keys.caller('sk-1');
  answer = { ok: true, key: 'key_1', account: 'acct_1', limits };
  expect(await keys.caller('sk-1')).toMatchObject({ limits: {} });
  keys.changed('key_2');
  expect(keys.known('sk-1')).toBeDefined();
  keys.changed('key_1');
  expect(await keys.caller('sk-1')).toMatchObject({ limits });
  answer = { ok: false, code: 'unknown_key' };
  keys.changed('key_1');
  await expect(keys.caller('sk-1')).rejects.toMatchObject({ code: 'invalid_api_key' });
});

test('a session that this ingress has ended does not work any more', async () => {
  const session = { session: 'sess_1', account: 'acct_1', expiresAt: 1e6 };
  let answer: object = { ok: true, session };
  using sessions = new SessionCache(
    busWithoutEvents(() => answer),
    now,
  );
  await sessions.session('cookie');
  answer = { ok: false, code: 'signed_out' };
  sessions.ended(['sess_2']);
  expect(await sessions.session('cookie')).toEqual(session);
  sessions.ended(['sess_2', 'sess_1']);
  await expect(sessions.session('cookie')).rejects.toMatchObject({ code: 'signed_out' });
});
