import { expect, test } from 'vitest';
import { databaseAddresses } from './addresses.ts';

test('a URL with several hosts is one URL for each of them, in order', () => {
  const url =
    'postgres://dinf:p%40ss@a:5432,b.example:5433,[fd00::1]:5434/money?target_session_attrs=read-write&sslmode=require';
  expect(databaseAddresses(url)).toEqual({
    database: 'money',
    addresses: ['a:5432', 'b.example:5433', '[fd00::1]:5434'].map((name) => ({
      name,
      url: `postgres://dinf:p%40ss@${name}/money?sslmode=require`,
    })),
  });
});

test('a password may contain an @ and a comma', () => {
  const { addresses } = databaseAddresses('postgresql://dinf:a@b,c@one,two:5433/money');
  expect(addresses.map(({ name }) => name)).toEqual(['one', 'two:5433']);
  expect(addresses[1]?.url).toBe('postgresql://dinf:a@b,c@two:5433/money');
});

test.each([
  '',
  'postgres://dinf@/money?host=/run/postgresql',
  'postgres://dinf:secret@a:5432/money',
])('the URL "%s" with one host stays as it is', (url) => {
  expect(databaseAddresses(url).addresses.map((address) => address.url)).toEqual([url]);
});

test.each([
  ['postgres://dinf:secret@a,b/money?target_session_attrs=any', /must be read-write or primary/],
  ['postgres://dinf:secret@a/money?target_session_attrs=standby', /must be read-write or primary/],
  ['postgres://dinf:secret@a,,b/money', /cannot be read/],
  ['postgres://dinf:secret@a:port,b/money', /cannot be read/],
  [`postgres://dinf:secret@${'a,'.repeat(16)}a/money`, /more than 16 hosts/],
])('%s is refused, and the error does not contain the password', (url, message) => {
  expect(() => databaseAddresses(url)).toThrow(message);
  expect(() => databaseAddresses(url)).not.toThrow(/secret/);
});
