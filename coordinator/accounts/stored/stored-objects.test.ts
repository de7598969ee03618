import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { newJobId } from '#bus-schemas';
import { startAccountsDatabase } from '../accounts-under-test.ts';
import { MAX_OBJECTS, StoredObjects } from './stored-objects.ts';
import { MAX_BYTES } from './stored-usage.ts';

const DAY_MS = 86_400_000;
let accounts: Awaited<ReturnType<typeof startAccountsDatabase>>;
let stored: StoredObjects;
let now = 1_800_000_000_000;
const emitted: string[] = [];

beforeAll(async () => {
  accounts = await startAccountsDatabase();
  const bus = { emit: (...[, , , id]: unknown[]) => void emitted.push(String(id)) };
  stored = new StoredObjects({ bus: bus as never, database: accounts.database, now: () => now });
});
beforeEach(async () => {
  emitted.length = 0;
  await accounts.database.query('DELETE FROM stored_objects');
});
afterAll(() => accounts[Symbol.asyncDispose]());

const anObject = (fields: object = {}) => ({
  account: 'acct_ann1',
  id: `resp_${newJobId()}`,
  version: 0,
  state: 'ended' as const,
  sealed: Buffer.from('sealed'),
  expiresAt: now + DAY_MS,
  ...fields,
});
const running = (fields: object = {}) =>
  anObject({ state: 'running', runsUntil: now + 30_000, ...fields });

describe('a stored object', () => {
  test('is read by its account only, until it expires, and its row is then deleted', async () => {
    const object = anObject();
    expect(await stored.put(object)).toEqual({ ok: true });
    expect(await stored.read(object)).toMatchObject({ ok: true, version: 1, state: 'ended' });
    const ofAnother = { account: 'acct_bob1', id: object.id };
    expect(await stored.read(ofAnother)).toEqual({ ok: false, code: 'unknown' });
    expect(await stored.delete(ofAnother)).toBe(false);
    now += DAY_MS;
    expect(await stored.read(object)).toEqual({ ok: false, code: 'unknown' });
    await stored.deleteOld();
    const { rows } = await accounts.database.query('SELECT 1 FROM stored_objects');
    expect(rows).toEqual([]);
  });

  test('is replaced once for each version, and a repeated call succeeds again', async () => {
    const object = anObject();
    await stored.put(object);
    expect(await stored.put(object)).toEqual({ ok: true });
    const next = { ...object, version: 1, sealed: Buffer.from('next') };
    const rival = { ...object, version: 1, sealed: Buffer.from('rival') };
    expect(await stored.put(next)).toEqual({ ok: true });
    expect(await stored.put(next)).toEqual({ ok: true });
    expect(await stored.put(rival)).toEqual({ ok: false, code: 'changed' });
    expect(await stored.put(object)).toEqual({ ok: false, code: 'changed' });
  });

  test('is refused when its account stores as many bytes or objects as it may', async () => {
    const fill = (objects: number, bytes: number) =>
      accounts.database.query(
        `INSERT INTO stored_objects (account, id, version, state, sealed, expires_at)
         SELECT 'acct_ann1', 'conv_' || n, 1, 'ended', decode(repeat('00', $2), 'hex'), $3
         FROM generate_series(1, $1) n`,
        [objects, bytes, new Date(now + DAY_MS)],
      );
    await fill(MAX_BYTES / (8 * 1_024 * 1_024), 8 * 1_024 * 1_024);
    expect(await stored.put(anObject())).toEqual({ ok: false, code: 'full' });
    expect(await stored.put(anObject({ account: 'acct_bob1' }))).toEqual({ ok: true });
    await accounts.database.query('DELETE FROM stored_objects');
    await fill(MAX_OBJECTS - 1, 1);
    const answers = await Promise.all(Array.from({ length: 8 }, () => stored.put(anObject())));
    expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
  });
});

describe('a list', () => {
  const listTag = Buffer.alloc(32, 1);
  const aFile = (fields: object = {}) =>
    anObject({ id: `file_${newJobId().slice(4)}`, listTag, ...fields });
  const page = (fields: object = {}) =>
    stored.list({ account: 'acct_ann1', listTag, limit: 100, ...fields });

  test('has the objects of its tag and account that have not expired, page by page', async () => {
    const files = Array.from({ length: 5 }, () => aFile());
    for (const file of files) await stored.put(file);
    await stored.put(aFile({ expiresAt: now }));
    await stored.put(aFile({ listTag: Buffer.alloc(32, 2) }));
    await stored.put(aFile({ account: 'acct_bob1' }));
    await stored.put(anObject());
    const oldestFirst = files.map(({ id }) => id);
    const first = await page({ limit: 3 });
    const second = await page({ limit: 3, after: first.objects.at(-1)?.id });
    const ids = [...first.objects, ...second.objects].map(({ id }) => id);
    expect([ids, first.hasMore, second.hasMore]).toEqual([oldestFirst.toReversed(), true, false]);
    const back = await page({ oldestFirst: true, after: oldestFirst[1] });
    expect(back.objects.map(({ id }) => id)).toEqual(oldestFirst.slice(2));
  });

  test('has no file after its deletion, which deletes its parts and no other object', async () => {
    const [file, other] = [aFile(), aFile()];
    const partsOf = ({ id }: { id: string }) =>
      [0, 1].map((part) => ({ ...anObject(), id: `${id}_${part}` }));
    for (const each of [file, other])
      for (const object of [each, ...partsOf(each)]) await stored.put(object);
    expect(await stored.delete(file)).toBe(true);
    const { rows } = await accounts.database.query('SELECT id FROM stored_objects');
    const left = [other, ...partsOf(other)].map(({ id }) => ({ id }));
    expect(new Set(rows.map(({ id }) => id))).toEqual(new Set(left.map(({ id }) => id)));
  });
});

describe('a running response', () => {
  test('whose ingress ended is lost for ever: no late renewal and no late end changes that', async () => {
    const object = running();
    await stored.put(object);
    now += 20_000;
    expect(await stored.renew({ ...object, runsUntil: now + 30_000 })).toBe(true);
    now += 30_001;
    expect(await stored.read(object)).toMatchObject({ state: 'lost' });
    expect(await stored.renew({ ...object, runsUntil: now + 30_000 })).toBe(false);
    const late = { ...anObject(), id: object.id, version: 1, sealed: Buffer.from('late') };
    expect(await stored.put(late)).toEqual({ ok: false, code: 'changed' });
    expect(await stored.cancel(object)).toBe(false);
  });

  test('that is cancelled or deleted tells its ingress, and stays cancelled when its end arrives', async () => {
    const object = running();
    await stored.put(object);
    expect(await stored.cancel(object)).toBe(true);
    expect(await stored.cancel(object)).toBe(false);
    expect(await stored.renew({ ...object, runsUntil: now + 60_000 })).toBe(false);
    const end = { ...object, state: 'ended' as const, version: 1, sealed: Buffer.from('part') };
    expect(await stored.put(end)).toEqual({ ok: true });
    expect(await stored.read(object)).toMatchObject({ state: 'cancelled', version: 2 });
    const other = running();
    await stored.put(other);
    expect(await stored.delete(other)).toBe(true);
    expect(emitted.map((id) => id.split(':')[1])).toEqual([object.id, other.id]);
  });
});
