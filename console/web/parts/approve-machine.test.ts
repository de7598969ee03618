import { expect, test } from 'vitest';
import { asUserCode } from './approve-machine.tsx';

test.each([
  ['WDJB-MJHT', 'WDJB-MJHT'],
  ['wdjb mjht', 'WDJB-MJHT'],
  ['wdjbmjht', 'WDJB-MJHT'],
  ['wdjb', 'WDJB'],
  ['<script>', 'SCRIPT'],
])('%s is read as %s', (typed, code) => {
  expect(asUserCode(typed)).toBe(code);
});
