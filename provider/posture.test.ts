import { expect, test } from 'vitest';
import { authenticatedRootIn, integrityIn, postureOf, secureBootIn } from './posture.ts';

test.each([
  ['System Integrity Protection status: enabled.\n', 'on'],
  ['System Integrity Protection status: disabled.\n', 'off'],
  [
    'System Integrity Protection status: unknown (Custom Configuration).\n\nConfiguration:\n\tFilesystem Protections: disabled\n',
    'off',
  ],
  ['csrutil: command not found', 'unknown'],
  [undefined, 'unknown'],
] as const)('csrutil that says %j has integrity protection %s', (text, state) => {
  expect(integrityIn(text)).toBe(state);
});

test.each([
  ['Authenticated Root status: enabled\n', 'on'],
  ['Authenticated Root status: disabled\n', 'off'],
  ['', 'unknown'],
] as const)('csrutil that says %j has the sealed volume %s', (text, state) => {
  expect(authenticatedRootIn(text)).toBe(state);
});

test.each([
  [
    'Controller:\n      Secure Boot: Full Security\n      System Integrity Protection: Enabled\n',
    'on',
  ],
  ['      Secure Boot: Reduced Security\n', 'off'],
  ['      Secure Boot: Permissive Security\n', 'off'],
  ['nothing', 'unknown'],
] as const)('a profile that says %j has secure boot %s', (text, state) => {
  expect(secureBootIn(text)).toBe(state);
});

test('a machine that is no Mac claims nothing', async () => {
  expect(await postureOf(true, 'linux')).toEqual({
    systemIntegrity: 'unknown',
    secureBoot: 'unknown',
    authenticatedRoot: 'unknown',
    debuggersDenied: 'on',
  });
});
