/** The fields of vitest's JSON report that are used here. */
export interface TestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly testResults: readonly FileResult[];
}

interface FileResult {
  /** The path of the test file. */
  readonly name: string;
  readonly status: string;
  readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
}

/**
 * Returns the summary that is printed as the last line, for programs and people alike. A file that
 * did not load has no test results, so it counts as one failure.
 */
export function lastLine({
  numPassedTests,
  numFailedTests,
  numPendingTests,
  testResults,
}: TestReport): string {
  const notLoaded = testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  ).length;
  return `${numPassedTests} passed, ${numFailedTests + notLoaded} failed, ${numPendingTests} skipped`;
}

export function failedFiles({ testResults }: TestReport): string[] {
  return testResults.filter(({ status }) => status === 'failed').map(({ name }) => name);
}

/** Returns one report of several runs of different files. */
export const joinedReport = (reports: readonly TestReport[]): TestReport =>
  reportOf(reports.flatMap(({ testResults }) => testResults));

/** Returns the report in which the files of the second try replace their first results. */
export function withSecondTry(first: TestReport, second: TestReport): TestReport {
  const repeated = new Set(second.testResults.map(({ name }) => name));
  return reportOf([
    ...first.testResults.filter(({ name }) => !repeated.has(name)),
    ...second.testResults,
  ]);
}

function reportOf(testResults: readonly FileResult[]): TestReport {
  const count = (...statuses: string[]) =>
    testResults
      .flatMap(({ assertionResults }) => assertionResults)
      .filter(({ status }) => statuses.includes(status)).length;
  return {
    numPassedTests: count('passed'),
    numFailedTests: count('failed'),
    numPendingTests: count('pending', 'skipped'),
    testResults,
  };
}

/** The tests, or files that did not load, that failed at first and passed at the second try. */
export function unsteadyTests(first: TestReport, second: TestReport): string[] {
  const failedAgain = new Set(namesOfFailures(second));
  return namesOfFailures(first).filter((name) => !failedAgain.has(name));
}

const namesOfFailures = ({ testResults }: TestReport): string[] =>
  testResults
    .filter(({ status }) => status === 'failed')
    .flatMap(({ name, assertionResults }) => {
      const failed = assertionResults.filter(({ status }) => status === 'failed');
      return failed.length === 0 ? [name] : failed.map(({ fullName }) => `${name} > ${fullName}`);
    });
