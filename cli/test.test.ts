import { expect, test } from 'vitest';
import { lastLine } from './test.ts';

test('a test file that did not load counts as one failure, although it has no test results', () => {
  const testResults = [
    { status: 'passed', assertionResults: [{}, {}] },
    { status: 'failed', assertionResults: [{}] },
    { status: 'failed', assertionResults: [] },
  ];
  expect(lastLine({ numPassedTests: 2, numFailedTests: 1, numPendingTests: 3, testResults })).toBe(
    '2 passed, 2 failed, 3 skipped',
  );
});
