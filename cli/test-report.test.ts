import { describe, expect, test } from 'vitest';
import {
  failedFiles,
  joinedReport,
  lastLine,
  type TestReport,
  unsteadyTests,
  withSecondTry,
} from './test-report.ts';

type Statuses = Record<string, 'passed' | 'failed' | 'pending'>;

/** A file without tests is one that did not load. */
function reportOf(files: Record<string, Statuses>): TestReport {
  const testResults = Object.entries(files).map(([name, tests]) => ({
    name,
    status:
      Object.keys(tests).length === 0 || Object.values(tests).includes('failed')
        ? 'failed'
        : 'passed',
    assertionResults: Object.entries(tests).map(([fullName, status]) => ({ fullName, status })),
  }));
  const count = (wanted: string) =>
    Object.values(files).flatMap((tests) => Object.values(tests).filter((each) => each === wanted))
      .length;
  return {
    numPassedTests: count('passed'),
    numFailedTests: count('failed'),
    numPendingTests: count('pending'),
    testResults,
  };
}

const first = reportOf({
  'a.test.ts': { one: 'passed', two: 'passed' },
  'b.test.ts': { three: 'failed', four: 'failed', five: 'passed' },
  'c.test.ts': {},
  'd.test.ts': { six: 'pending' },
});

test('a test file that did not load counts as one failure, although it has no test results', () => {
  expect(lastLine(first)).toBe('3 passed, 3 failed, 1 skipped');
});

test('the report of several runs has the results of all of them', () => {
  const other = reportOf({ 'e.test.ts': { seven: 'passed', eight: 'failed' } });
  const joined = joinedReport([first, other]);
  expect(lastLine(joined)).toBe('4 passed, 4 failed, 1 skipped');
  expect(failedFiles(joined)).toEqual(['b.test.ts', 'c.test.ts', 'e.test.ts']);
});

describe('the second try', () => {
  test('is for the files that failed or did not load', () => {
    expect(failedFiles(first)).toEqual(['b.test.ts', 'c.test.ts']);
  });

  const second = reportOf({
    'b.test.ts': { three: 'passed', four: 'failed', five: 'passed' },
    'c.test.ts': { seven: 'passed' },
  });

  test('replaces the results of these files, and what fails again is a failure', () => {
    expect(lastLine(withSecondTry(first, second))).toBe('5 passed, 1 failed, 1 skipped');
    expect(failedFiles(withSecondTry(first, second))).toEqual(['b.test.ts']);
  });

  test('names each test that passed only then', () => {
    expect(unsteadyTests(first, second)).toEqual(['b.test.ts > three', 'c.test.ts']);
  });
});
