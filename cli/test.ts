import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, constants, setPriority, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import {
  failedFiles,
  joinedReport,
  lastLine,
  type TestReport,
  unsteadyTests,
  withSecondTry,
} from './test-report.ts';

const root = dirname(import.meta.dirname);
const bin = (path: string) => join(root, 'node_modules', path);

interface Check {
  readonly name: string;
  readonly args: readonly string[];
}

/**
 * Parts in which the compiler checks types at once. Each checks the types that it needs from other
 * parts again: one part takes 38 s of processor time, two take 51, and four, its default, take 71.
 */
const TYPE_CHECKERS = Math.max(1, Math.min(4, Math.floor(availableParallelism() / 2)));

const TYPES: Check = {
  name: 'types',
  args: [bin('typescript/bin/tsc'), '--noEmit', '--checkers', `${TYPE_CHECKERS}`],
};

/** The checks that run one after the other beside the check of types, which takes longest. */
const BESIDE_TYPES: readonly Check[] = [
  { name: 'style', args: [bin('@biomejs/biome/bin/biome'), 'check', '--error-on-warnings'] },
  { name: 'unused code', args: [bin('knip/bin/knip.js'), '--no-progress'] },
  {
    name: 'types of the console',
    args: [bin('typescript/bin/tsc'), '--noEmit', '-p', 'console/web'],
  },
];

export function addCommands(program: Command): void {
  program
    .command('test')
    .description(
      'check types, style and unused code and run all tests; with arguments, run only the named tests',
    )
    .argument('[vitest...]', 'arguments for vitest')
    .allowUnknownOption()
    .action((args: string[]) => test(args));
}

async function test(args: readonly string[]): Promise<void> {
  const isWholeSuite = args.length === 0;
  const checks = await Promise.all([
    prepareEngines(),
    ...(isWholeSuite ? [inOrder([TYPES]), inOrder(BESIDE_TYPES)] : []),
  ]);
  const failed = checks.flat();
  if (!(await runTests(args))) failed.push('tests');
  if (failed.length > 0) throw new CommandError(EXIT.failure, `failed: ${failed.join(', ')}`);
}

/** Runs the checks one after the other and returns the names of those that failed. */
async function inOrder(checks: readonly Check[]): Promise<string[]> {
  const failed: string[] = [];
  for (const { name, args } of checks) {
    const startedAt = performance.now();
    const { code, printed } = await collectNode(args);
    process.stdout.write(
      `${printed}${code === 0 ? 'ok' : 'FAILED'}  ${name}  ${seconds(startedAt)}\n`,
    );
    if (code !== 0) failed.push(name);
  }
  return failed;
}

/**
 * Installs the drivers of the real engines, puts their variables into the environment of the tests, and
 * builds the native code. Returns the name of the part that does not compile, if there is one: its tests
 * would be left out, as if the library was missing.
 */
async function prepareEngines(): Promise<string[]> {
  const { findEngineDrivers } = await import('#testcontainers');
  const { cacheFolder } = await import('#provider');
  const { env, missing } = await findEngineDrivers(cacheFolder(process.env), process.env);
  Object.assign(process.env, env);
  for (const why of missing) process.stdout.write(`some engines are not tested: ${why}\n`);
  const { buildNative } = await import('#native/build.ts');
  const built = await buildNative({ root, print: (line) => process.stdout.write(`${line}\n`) });
  return built.state === 'failed' ? [`native/${built.addon}`] : [];
}

interface VitestRun {
  readonly args: readonly string[];
  /** Whether its processes give way to all others. */
  readonly givesWay?: boolean;
}

const projects = (...names: readonly string[]) => names.map((name) => `--project=${name}`);

/**
 * The projects of vitest.config.ts, in rows whose runs go on at once. Tests of faults leave half of the processor
 * idle, which unit tests use without changing the times of the faults.
 */
const WHOLE_SUITE: readonly (readonly VitestRun[])[] = [
  [{ args: projects('e2e', 'integration', 'mocking') }],
  [{ args: projects('faults') }, { args: projects('unit'), givesWay: true }],
  [{ args: projects('alone') }],
];

/** More failed files than this are a fault of the change, so they do not get a second try. */
const MAX_SECOND_TRIES = 10;

/**
 * Runs the tests. In a run of the whole suite the files that failed run once more, one after the
 * other with nothing beside them (decision 0142).
 */
async function runTests(args: readonly string[]): Promise<boolean> {
  const startedAt = performance.now();
  const isWholeSuite = args.length === 0;
  let { passed, report } = await (isWholeSuite ? runWholeSuite() : runVitest({ args }));
  const failed = report === undefined ? [] : failedFiles(report);
  if (report && isWholeSuite && failed.length > 0 && failed.length <= MAX_SECOND_TRIES) {
    process.stdout.write(`second try, one file at a time: ${failed.join(' ')}\n`);
    const second = await runVitest({ args: ['--no-file-parallelism', ...failed] });
    passed = second.passed;
    if (second.report) {
      for (const name of unsteadyTests(report, second.report))
        process.stdout.write(`UNSTEADY  passed only at the second try: ${name}\n`);
      report = withSecondTry(report, second.report);
    }
  }
  process.stdout.write(`${passed ? 'ok' : 'FAILED'}  tests  ${seconds(startedAt)}\n`);
  if (report) process.stdout.write(`${lastLine(report)}\n`);
  return passed;
}

interface Run {
  readonly passed: boolean;
  /** Absent if vitest ended before it wrote one. */
  readonly report: TestReport | undefined;
}

async function runWholeSuite(): Promise<Run> {
  const runs: Run[] = [];
  for (const row of WHOLE_SUITE) runs.push(...(await Promise.all(row.map(runVitest))));
  const reports = runs.flatMap(({ report }) => report ?? []);
  return {
    passed: runs.every(({ passed }) => passed),
    report: reports.length === runs.length ? joinedReport(reports) : undefined,
  };
}

async function runVitest({ args, givesWay = false }: VitestRun): Promise<Run> {
  const folder = await mkdtemp(join(tmpdir(), 'dinf-test-'));
  const file = join(folder, 'report.json');
  try {
    const vitest = spawnNode([
      bin('vitest/vitest.mjs'),
      'run',
      '--reporter=default',
      `--reporter=${join(import.meta.dirname, 'failure-reporter.ts')}`,
      '--reporter=json',
      `--outputFile.json=${file}`,
      ...args,
    ]);
    // Processes that it starts later inherit the priority.
    if (givesWay && vitest.pid) setPriority(vitest.pid, constants.priority.PRIORITY_LOW);
    const code = await exitCode(vitest);
    if (!existsSync(file)) return { passed: false, report: undefined };
    return { passed: code === 0, report: JSON.parse(await readFile(file, 'utf8')) as TestReport };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Runs a program to its end and returns what it printed, which other programs must not interrupt. */
async function collectNode(args: readonly string[]): Promise<{ code: number; printed: string }> {
  const child = spawn(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...(process.stdout.isTTY && { FORCE_COLOR: '1' }) },
  });
  const [code, printed, errors] = await Promise.all([
    exitCode(child),
    text(child.stdout),
    text(child.stderr),
  ]);
  return { code, printed: printed + errors };
}

const spawnNode = (args: readonly string[]): ChildProcess =>
  spawn(process.execPath, args, { cwd: root, stdio: 'inherit' });

const exitCode = (child: ChildProcess): Promise<number> =>
  new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });

const seconds = (startedAt: number) => `${((performance.now() - startedAt) / 1_000).toFixed(1)} s`;
