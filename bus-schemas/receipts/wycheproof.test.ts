import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isSignedByEd25519, isSignedByP256 } from './signed-by.ts';

interface Signed {
  readonly id: number;
  readonly key: string;
  readonly msg: string;
  readonly sig: string;
}

interface Group {
  readonly result: 'valid' | 'invalid';
  readonly flags: readonly string[];
  readonly cases: readonly Signed[];
}

const bytesOf = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));

describe.each([
  { name: 'ecdsa-p256', isSignedBy: isSignedByP256 },
  { name: 'ed25519', isSignedBy: isSignedByEd25519 },
])('a signature of $name', ({ name, isSignedBy }) => {
  const groups: readonly Group[] = JSON.parse(
    readFileSync(join(import.meta.dirname, `../vectors/wycheproof-${name}.json`), 'utf8'),
  ).groups;
  const tableOf = (result: Group['result']) =>
    groups
      .filter((group) => group.result === result)
      .map(({ flags, cases }) => ({ named: flags.join(' '), cases }));
  const accepted = ({ key, msg, sig }: Signed) =>
    isSignedBy(bytesOf(key), bytesOf(msg), bytesOf(sig));

  test.each(tableOf('valid'))('is valid in every valid case of $named', ({ cases }) => {
    expect(cases.filter((signed) => !accepted(signed)).map(({ id }) => id)).toEqual([]);
  });

  test.each(tableOf('invalid'))('is invalid in every invalid case of $named', ({ cases }) => {
    expect(cases.filter(accepted).map(({ id }) => id)).toEqual([]);
  });

  test('is invalid for another message, and when a part of it is zero, short or long', () => {
    for (const { result, cases } of groups) {
      if (result !== 'valid') continue;
      for (const { key, msg, sig } of cases) {
        const half = sig.length / 2;
        const none = '00'.repeat(half / 2);
        const changed = [
          none + sig.slice(half),
          sig.slice(0, half) + none,
          none + none,
          sig.slice(0, -2),
          `${sig}00`,
          '',
        ];
        expect(
          changed.filter((other) => other !== sig && accepted({ id: 0, key, msg, sig: other })),
        ).toEqual([]);
        expect(accepted({ id: 0, key, msg: `${msg}00`, sig })).toBe(false);
      }
    }
  });
});
