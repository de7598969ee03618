import { describe, expect, test } from 'vitest';
import { howToInstall, isEnough, isTooOldToLaunch } from './choose-node.mjs';

describe('the version of Node', () => {
  test.each([
    ['v24.0.0', true],
    ['24.21.0', true],
    ['v25.1.0', true],
    ['v23.11.0', false],
    ['v20.19.0', false],
    ['not a version', false],
  ])('%s runs our TypeScript: %s', (version, enough) => {
    expect(isEnough(version)).toBe(enough);
  });

  test.each([
    ['v20.18.3', true],
    ['v18.20.0', true],
    ['v20.19.0', false],
    ['v22.0.0', false],
  ])('%s is too old even to download another one: %s', (version, tooOld) => {
    expect(isTooOldToLaunch(version)).toBe(tooOld);
  });

  test('the instructions name Homebrew only on a Mac', () => {
    expect(howToInstall('darwin')).toContain('brew install node@24');
    expect(howToInstall('linux')).not.toContain('brew');
  });
});
