import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { closeHome } from './private-home.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'dinf-home-'));
});
afterEach(() => rmSync(home, { recursive: true }));

test.each([
  [0o755, 0o711],
  [0o777, 0o711],
  [0o770, 0o710],
])(
  'a home of mode %o is closed to other users, and a warning names the change',
  (before, after) => {
    chmodSync(home, before);
    const warnings: string[] = [];
    closeHome(home, (line) => warnings.push(line));
    expect((statSync(home).mode & 0o777).toString(8)).toBe(after.toString(8));
    expect(warnings).toEqual([
      `other users could read or write ${home} (mode ${before.toString(8)}); it has mode ${after.toString(8)} now`,
    ]);
  },
);

test('a home that is closed already or does not exist is left unchanged without a warning', () => {
  chmodSync(home, 0o700);
  const warnings: string[] = [];
  closeHome(home, (line) => warnings.push(line));
  closeHome(join(home, 'nothing'), (line) => warnings.push(line));
  expect(warnings).toEqual([]);
});
