import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';

const root = dirname(import.meta.dirname);
const bin = (path: string) => join(root, 'node_modules', path);

/** The checks before the tests, the fastest first. */
const checks = [
  { name: 'types', args: [bin('typescript/bin/tsc'), '--noEmit'] },
  { name: 'style', args: [bin('@biomejs/biome/bin/biome'), 'check', '--error-on-warnings'] },
  { name: 'unused code', args: [bin('knip/bin/knip.js'), '--no-progress'] },
] as const;

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
  const failed: string[] = [];
  for (const { name, args: command } of args.length === 0 ? checks : []) {
    const startedAt = performance.now();
    const code = await runNode(command);
    process.stdout.write(`${code === 0 ? 'ok' : 'FAILED'}  ${name}  ${seconds(startedAt)}\n`);
    if (code !== 0) failed.push(name);
  }
  await prepareEngines();
  if (!(await runVitest(args))) failed.push('tests');
  if (failed.length > 0) throw new CommandError(EXIT.failure, `failed: ${failed.join(', ')}`);
}

/** The fields of vitest's JSON report that are used here. */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly unknown[];
  }[];
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
}: Report): string {
  const notLoaded = testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  ).length;
  return `${numPassedTests} passed, ${numFailedTests + notLoaded} failed, ${numPendingTests} skipped`;
}

/**
 * Installs the drivers of the real engines and puts their variables into the environment of the
 * tests.
 */
async function prepareEngines(): Promise<void> {
  const { findEngineDrivers } = await import('#testcontainers');
  const { cacheFolder } = await import('#provider');
  const { env, missing } = await findEngineDrivers(cacheFolder(process.env), process.env);
  Object.assign(process.env, env);
  for (const why of missing) process.stdout.write(`some engines are not tested: ${why}\n`);
  const { buildNative } = await import('#native/build.ts');
  await buildNative({ root, only: ['mlx'], print: (line) => process.stdout.write(`${line}\n`) });
}

async function runVitest(args: readonly string[]): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'dinf-test-'));
  const report = join(folder, 'report.json');
  const startedAt = performance.now();
  try {
    const code = await runNode([
      bin('vitest/vitest.mjs'),
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
      ...args,
    ]);
    process.stdout.write(`${code === 0 ? 'ok' : 'FAILED'}  tests  ${seconds(startedAt)}\n`);
    if (!existsSync(report)) return false;
    process.stdout.write(`${lastLine(JSON.parse(await readFile(report, 'utf8')) as Report)}\n`);
    return code === 0;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function runNode(args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

const seconds = (startedAt: number) => `${((performance.now() - startedAt) / 1_000).toFixed(1)} s`;
