import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cacheFolder, homeFolder, isCheckout, PROGRAM } from './program-folders.mjs';

let checkout: string;
let installed: string;
beforeAll(() => {
  checkout = mkdtempSync(join(tmpdir(), 'dinf-checkout-'));
  writeFileSync(join(checkout, 'package-lock.json'), '{}');
  installed = mkdtempSync(join(tmpdir(), 'dinf-package-'));
});
afterAll(() => {
  for (const folder of [checkout, installed]) rmSync(folder, { recursive: true });
});

test('the repository is a checkout', () => {
  expect(isCheckout()).toBe(true);
  expect(PROGRAM).toBe(resolve(import.meta.dirname, '..'));
});

describe('the home', () => {
  test('is .dinf in the current folder for a checkout', () => {
    expect(homeFolder({}, checkout)).toBe(resolve('.dinf'));
  });

  test('does not depend on the current folder for an installed package', () => {
    expect(homeFolder({}, installed)).toBe(join(homedir(), '.dinf'));
  });

  test('is the folder that DINF_HOME names, unless it is empty', () => {
    expect(homeFolder({ DINF_HOME: 'mine' }, installed)).toBe(resolve('mine'));
    expect(homeFolder({ DINF_HOME: '' }, installed)).toBe(join(homedir(), '.dinf'));
  });
});

describe('the cache', () => {
  test('is in the checkout', () => {
    expect(cacheFolder({ XDG_CACHE_HOME: '/xdg' }, checkout)).toBe(join(checkout, '.cache'));
  });

  test('of an installed package is outside its folder, which may be read-only', () => {
    const usual = process.platform === 'darwin' ? 'Library/Caches' : '.cache';
    expect(cacheFolder({}, installed)).toBe(join(homedir(), usual, 'd-inference'));
    expect(cacheFolder({ XDG_CACHE_HOME: '/xdg' }, installed)).toBe('/xdg/d-inference');
  });

  test('ignores a relative XDG_CACHE_HOME, as the XDG specification demands', () => {
    expect(cacheFolder({ XDG_CACHE_HOME: 'xdg' }, installed)).toBe(cacheFolder({}, installed));
  });

  test('is the folder that DINF_CACHE names', () => {
    expect(cacheFolder({ DINF_CACHE: 'there' }, installed)).toBe(resolve('there'));
    expect(cacheFolder({ DINF_CACHE: 'there' }, checkout)).toBe(resolve('there'));
  });
});
