import { readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT, SOURCE_FOLDERS, sourceFiles } from './source-folders.ts';

const TOP = [...SOURCE_FOLDERS, 'e2e'] as const;
type Top = (typeof TOP)[number];

/** The folders that each folder may import, only as `#name`. `cli` assembles the program. */
const allowed: Record<Top, readonly Top[]> = {
  'bus-schemas': [],
  native: ['bus-schemas'],
  'http-api': ['bus-schemas'],
  observability: ['bus-schemas'],
  client: ['bus-schemas', 'http-api'],
  console: ['bus-schemas', 'client'],
  coordinator: ['bus-schemas', 'http-api', 'observability'],
  provider: ['bus-schemas', 'http-api', 'native', 'observability'],
  'tiny-model': ['bus-schemas'],
  simulator: ['bus-schemas', 'coordinator', 'observability', 'provider', 'tiny-model'],
  network: ['bus-schemas', 'coordinator', 'provider'],
  testcontainers: ['bus-schemas', 'coordinator', 'provider', 'simulator', 'network'],
  world: ['bus-schemas', 'coordinator', 'network', 'provider', 'simulator'],
  e2e: TOP,
  cli: TOP,
  bin: ['bus-schemas', 'native', 'cli'],
  packaging: ['bin', 'bus-schemas', 'console'],
};
/** Folders that every test may import, for example to start a hub or a database. */
const forTests: readonly Top[] = [
  'testcontainers',
  'network',
  'provider',
  'simulator',
  'tiny-model',
];
const isTest = (file: string) => /(\.test|-under-test)\.ts$/.test(file);
/**
 * Files that may import the inside of components: those that assemble them, tests that do so,
 * the benchmarks that measure them without a bus, and the replay in virtual time.
 */
const COMPOSERS = [
  'coordinator/archive-ledger.ts',
  'coordinator/main.ts',
  'coordinator/mod.ts',
  'coordinator/trust/device-management/mdm.test.ts',
  'e2e/bench/archive.ts',
  'e2e/bench/ledger.ts',
  'e2e/bench/past-jobs.ts',
  'e2e/bench/routing.ts',
  'e2e/console/money-page.prop.test.ts',
  'e2e/installed-package.ts',
  'simulator/replay/virtual-job.ts',
  'simulator/replay/replayed-network.ts',
];
/**
 * The modules that `client/` may import. It runs on the customer's machine and must not trust the
 * coordinator, so it must be readable without the coordinator's code.
 */
const FOR_CUSTOMERS = /^(\.|#bus-schemas|#client\/|node:|typebox)/;
/** The proxy serves the same API as the coordinator, from the same code. */
const FOR_THE_PROXY = /^(\.|#bus-schemas|#http-api|node:|typebox|fastify$|pino$)/;
const COMPONENTS = [
  'ingress',
  'routing',
  'settlement',
  'accounts',
  'catalog',
  'trust',
  'telemetry',
];
/** Files outside of the folders with code: the version of the program, and the runbook in the console. */
const SHARED_FILES = ['package.json', 'docs/operating/incidents.md?raw'];
/** Code that measures, which the daemon must not load. */
const BENCHMARK = 'provider/benchmark/';
/** The command that is imported only when it is called, and the tests. */
const MEASURES = /^(provider\/benchmark\/|cli\/provider\/benchmark\.ts$)/;
/** Modules that a pure core must not import: clock, randomness and connections are parameters. */
const IMPURE = /^(pg|@nats-io\/|fastify|node:(fs|net|http|child_process|timers))/;
const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s[^'"]*?from\s+'([^']+)'|import\(\s*'([^']+)'\s*\)|(?:^|\n)import\s+'([^']+)'/g;

const importsOf = (text: string) =>
  [...text.matchAll(IMPORT)].map(([, from, dynamic, bare]) => from ?? dynamic ?? bare ?? '');
const topOf = (path: string) => path.split('/', 1)[0] as Top;
const componentOf = (path: string) =>
  COMPONENTS.find((name) => path.startsWith(`coordinator/${name}/`));

/** Returns what is wrong with one import of one file, or undefined if it is allowed. */
function faultOf(file: string, imported: string): string | undefined {
  const customers = file.startsWith('client/proxy/') ? FOR_THE_PROXY : FOR_CUSTOMERS;
  if (file.startsWith('client/') && !isTest(file) && !customers.test(imported))
    return `${file} is for customers and imports ${imported}`;
  if (file.includes('/core/') && !file.endsWith('.test.ts') && IMPURE.test(imported))
    return `${file} is a core and imports ${imported}`;
  const named = /^#([a-z0-9-]+)/.exec(imported)?.[1] as Top | undefined;
  if (
    named !== undefined &&
    named !== topOf(file) &&
    !allowed[topOf(file)].includes(named) &&
    !(isTest(file) && forTests.includes(named))
  )
    return `${file} must not import ${imported}`;
  const target = imported.startsWith('.')
    ? relative(ROOT, resolve(ROOT, dirname(file), imported))
    : imported.replace(/^#/, '');
  if (imported.startsWith('.') && topOf(target) !== topOf(file) && !SHARED_FILES.includes(target))
    return `${file} leaves its folder with ${imported}`;
  if (target.startsWith(BENCHMARK) && !MEASURES.test(file))
    return `${file} would load the benchmark into the daemon`;
  const [own, other] = [componentOf(file), componentOf(target)];
  if (other !== undefined && own !== other && !COMPOSERS.includes(file))
    return `${file} reaches into the component ${other}`;
  return undefined;
}

describe('import directions', () => {
  test.each(TOP)('%s imports only what it may', (top) => {
    const faults = sourceFiles(top).flatMap((file) =>
      importsOf(readFileSync(join(ROOT, file), 'utf8')).map((imported) => faultOf(file, imported)),
    );
    expect(faults.filter((fault) => fault !== undefined)).toEqual([]);
  });

  test('TypeBox is imported for its types only, because a process would load all of it', () => {
    const values = /^import (?!type )[^;]*from 'typebox/m;
    const loading = SOURCE_FOLDERS.flatMap(sourceFiles).filter(
      (file) => !isTest(file) && values.test(readFileSync(join(ROOT, file), 'utf8')),
    );
    // A browser gets a bundle without the modules that it does not use.
    expect(loading).toEqual(['bus-schemas/platform/browser.ts']);
  });

  test('the command that measures is imported only when it is called', () => {
    const imports = /^import (?!type )[^;]*from '\.\/benchmark\.ts'/m;
    expect(
      sourceFiles('cli/provider').filter((file) =>
        imports.test(readFileSync(join(ROOT, file), 'utf8')),
      ),
    ).toEqual([]);
  });

  test.each([
    ['bus-schemas/codec.ts', '#coordinator'],
    ['provider/agent/agent.ts', '#coordinator'],
    ['provider/agent/agent.ts', '../../bus-schemas/mod.ts'],
    ['coordinator/ingress/jobs.ts', '../routing/core/router.ts'],
    ['coordinator/ingress/jobs.ts', '#coordinator/routing/service.ts'],
    ['coordinator/routing/core/router.ts', 'pg'],
    ['simulator/fleet.ts', '#testcontainers'],
    ['provider/daemon.ts', './benchmark/benchmark-model.ts'],
    ['cli/provider/commands.ts', '#provider/benchmark/benchmark-model.ts'],
    ['client/log-view.ts', '#coordinator/bus.ts'],
    ['client/log-view.ts', '#http-api/errors.ts'],
    ['network/network.ts', '#testcontainers'],
  ])('the check notices that %s may not import %s', (file, imported) => {
    expect(faultOf(file, imported)).toBeDefined();
  });
});
