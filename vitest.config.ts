import { globSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { SOURCE_FOLDERS } from './e2e/source-folders.ts';

const BESIDE = `{${SOURCE_FOLDERS.join(',')}}/**/*.test.ts`;
/** Functions that start hubs, databases and other processes. */
const STARTS =
  /\b(startNatsHub|startTestHub|startNatsLeaf|startNatsServer|startPostgres|startTestDatabase|startLocalPostgres|startNetwork|startHubCluster|startSupervised|startLeaf|spawn|spawnSync|execFile|execFileSync|new Supervisor)\b/;
const FIXTURES = /from '(\.[^']+-under-test\.ts)'/g;

/** Whether a test, or a fixture that it imports, starts processes. */
function startsProcesses(file: string): boolean {
  const text = readFileSync(file, 'utf8');
  return (
    STARTS.test(text) ||
    [...text.matchAll(FIXTURES)].some(([, fixture = '']) =>
      startsProcesses(join(dirname(file), fixture)),
    )
  );
}

/**
 * Tests that measure a process or keep all cores busy run one file after the other, with nothing
 * beside them. All others wait a third of their time, or more, for timers, disks and processes that
 * start, so one file more than there are cores runs at once.
 */
const ALONE = [
  // Long answers of WebGPU in software use all cores. Its other tests compile kernels, on one core.
  'provider/engine/soak.test.ts',
  'tiny-model/tiny-model.test.ts',
  'e2e/{credentials,emulated-mac,saturation,slow-reader}.test.ts',
];

/**
 * Tests of faults mostly wait: for a lease that ends, or a process that starts again. Two of them
 * leave half of the processor idle, so their times hold. Beside other tests they would not, except for unit
 * tests that give way to them (cli/test.ts).
 */
const FAULTS = ['e2e/{chaos,soak,upgrade}/*.test.ts'];

/**
 * Tests beside their subject: those that start processes are the project `integration`, all others
 * `unit`. Files share the modules of their process, in `e2e` too, because loading these takes longer
 * than most tests. Files that replace a module have a process of their own (`mocking`).
 */
const beside = globSync(BESIDE, { exclude: ['**/node_modules/**', ...ALONE] });
const mocking = beside.filter((file) => /\bvi\.mock\(/.test(readFileSync(file, 'utf8')));
const integration = beside.filter((file) => startsProcesses(file) && !mocking.includes(file));

/** Each takes more than a minute, which its size does not show. */
const LONG = [
  'e2e/updates.test.ts',
  'simulator/replay/replay.test.ts',
  'e2e/chaos/batches.test.ts',
  'e2e/chaos/chaos.test.ts',
];

/**
 * Begins with the long files, then runs the projects by their names: small tests come last, and fill
 * all cores to the end. Without results of an earlier run, vitest itself sorts by size of file.
 */
class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = ({ moduleId }: TestSpecification) =>
      LONG.some((file) => moduleId.endsWith(file));
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

export default defineConfig({
  test: {
    // Long enough for a machine whose cores other programs keep busy: `npm test` must pass there
    // too.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    setupFiles: ['./testcontainers/patient-waits.ts'],
    maxWorkers: Math.max(2, availableParallelism()) + 1,
    sequence: { sequencer: LongFirst },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          isolate: false,
          include: [BESIDE],
          exclude: ['**/node_modules/**', ...ALONE, ...integration, ...mocking],
        },
      },
      { extends: true, test: { name: 'mocking', include: mocking } },
      { extends: true, test: { name: 'integration', isolate: false, include: integration } },
      {
        extends: true,
        test: {
          name: 'e2e',
          globalSetup: ['./e2e/run-folder.ts'],
          isolate: false,
          include: ['e2e/**/*.test.ts'],
          exclude: [...ALONE, ...FAULTS],
        },
      },
      {
        extends: true,
        test: {
          name: 'faults',
          isolate: false,
          include: FAULTS,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'alone',
          include: ALONE,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
