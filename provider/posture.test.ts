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
] as const)('the csrutil output %j means that integrity protection is %s', (text, state) => {
  expect(integrityIn(text)).toBe(state);
});

test.each([
  ['Authenticated Root status: enabled\n', 'on'],
  ['Authenticated Root status: disabled\n', 'off'],
  ['', 'unknown'],
] as const)('the csrutil output %j means that the sealed volume is %s', (text, state) => {
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
] as const)('the profiler output %j means that secure boot is %s', (text, state) => {
  expect(secureBootIn(text)).toBe(state);
});

test('a machine that is not a Mac reports its protections as unknown', async () => {
  expect(await postureOf(true, 'linux')).toEqual({
    systemIntegrity: 'unknown',
    secureBoot: 'unknown',
    authenticatedRoot: 'unknown',
    debuggersDenied: 'on',
  });
});
