import { expect, test } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import { type Report, runScenario } from './replay.ts';
import { type Scenario, type ScenarioName, scenarios } from './scenarios.ts';

const SEED = 7;
/** Share of the machines of a scenario; `dinf replay --scenario <name>` runs it with all. */
const SHARE = 0.25;
const smaller = (name: ScenarioName): Scenario => ({
  ...scenarios[name],
  macs: scenarios[name].macs * SHARE,
});

const reports = new Map<ScenarioName, Report>();
function reportOf(name: ScenarioName): Report {
  const known = reports.get(name) ?? runScenario(smaller(name), SEED);
  reports.set(name, known);
  return known;
}

/**
 * Share of answers that broke off because their machine disappeared. No other machine could have
 * continued them.
 */
const cut = ({ refusedBy, requests }: Report) => (refusedBy['stream_cut'] ?? 0) / requests;

/**
 * In these, a third of the machines or more are slow and report why. Only hot machines slow down in
 * the middle of their work; `npm run scenarios` replays the others too.
 */
const slowFleets: readonly ScenarioName[] = setting('DINF_EVERY_SCENARIO')
  ? ['heat', 'low-power', 'disturbed']
  : ['heat'];

test.each([
  'calm',
  'four-fifths',
  'deadline-cascade',
  'fleet-upgrade',
  'black-hole',
  'churn',
  'boasters',
  'stalls',
  'zombies',
  'squeeze',
  ...slowFleets,
] satisfies ScenarioName[])(
  '%s: 99 % of the servable requests are served, with few second attempts, and nothing hangs',
  { timeout: 60_000 },
  (name) => {
    const report = reportOf(name);
    expect(report.ofOptimum + cut(report)).toBeGreaterThan(0.99);
    expect(cut(report)).toBeLessThan(0.02);
    expect(report.attemptsPerRequest).toBeLessThan(1.05);
    expect([report.hung, report.zombies]).toEqual([0, 0]);
  },
);

test('a storm of retries does not reduce the number of served requests', {
  timeout: 120_000,
}, () => {
  const [storm, overload] = [reportOf('retry-storm'), reportOf('overload')];
  expect(storm.servedShare).toBeGreaterThan(overload.servedShare * 0.99);
  expect(overload.ofOptimum).toBeGreaterThan(0.9);
  for (const { attemptsPerRequest, hung, zombies } of [storm, overload]) {
    expect(attemptsPerRequest).toBeLessThan(1.2);
    expect([hung, zombies]).toEqual([0, 0]);
  }
});

test.each(slowFleets)(
  '%s: routing avoids machines that report why they are slow',
  { timeout: 60_000 },
  (name) => {
    const half: Scenario = { ...scenarios[name], minutes: scenarios[name].minutes / 2 };
    const silent = runScenario(half, SEED, false);
    const reporting = runScenario(half, SEED);
    expect(reporting.firstContentMs.p95).toBeLessThan(silent.firstContentMs.p95);
    expect(reporting.slowShare).toBeLessThan(silent.slowShare);
    expect(reporting.servedShare).toBeGreaterThanOrEqual(silent.servedShare - 0.001);
  },
);

test('owners: with sleep, schedules and users, the machines that are left serve as large a share as machines that are always there', {
  timeout: 120_000,
}, () => {
  const short: Scenario = { ...scenarios.owners, macs: 30, minutes: 180 };
  const [owned, always] = [true, false].map((owners) => runScenario({ ...short, owners }, SEED));
  expect(owned?.availableShare).toBeLessThan(0.95);
  expect(always?.availableShare).toBe(1);
  for (const report of [owned, always] as Report[]) {
    expect(report.ofOptimum + cut(report)).toBeGreaterThan(0.99);
    expect(report.attemptsPerRequest).toBeLessThan(1.05);
    expect([report.hung, report.zombies]).toEqual([0, 0]);
  }
});

test('machines without anything to report are routed as before', { timeout: 60_000 }, () => {
  expect(runScenario(smaller('calm'), SEED, false).digest).toBe(reportOf('calm').digest);
});

test('the same seed gives exactly the same run, and another seed gives another run', () => {
  const small: Scenario = { ...scenarios.churn, macs: 20, minutes: 5 };
  const digests = [1, 1, 2].map((seed) => runScenario(small, seed).digest);
  expect(digests[0]).toBe(digests[1]);
  expect(digests[0]).not.toBe(digests[2]);
});
