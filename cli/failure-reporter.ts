import type { Reporter, TestCase, TestModule, TestSuite } from 'vitest/node';

/**
 * Prints why a test or a file failed as soon as it failed, so that a run that is ended before its
 * report still says it. Vitest's own reporters keep the reasons for the end.
 */
// biome-ignore lint/style/noDefaultExport: vitest loads a reporter by the default export of its file
export default class FailureReporter implements Reporter {
  onTestCaseResult(test: TestCase): void {
    printReasons(`${test.module.relativeModuleId} > ${test.fullName}`, test.result().errors);
  }

  onTestSuiteResult(suite: TestSuite): void {
    printReasons(`${suite.module.relativeModuleId} > ${suite.fullName}`, suite.errors());
  }

  onTestModuleEnd(module: TestModule): void {
    printReasons(module.relativeModuleId, module.errors());
  }
}

interface Reason {
  readonly message: string;
  readonly diff?: string;
  readonly stack?: string;
  /** The errors of a `SuppressedError`, which says nothing itself. */
  readonly error?: Reason;
  readonly suppressed?: Reason;
}

function printReasons(name: string, reasons: readonly Reason[] | undefined): void {
  for (const { message, diff, stack, error, suppressed } of reasons ?? []) {
    process.stdout.write(`FAILED  ${[name, message, diff, stack].filter(Boolean).join('\n')}\n`);
    printReasons(
      name,
      [error, suppressed].filter((each) => each !== undefined),
    );
  }
}
