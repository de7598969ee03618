import { expect, test } from 'vitest';
import { type CountedFaults, FaultReport, MACHINE_FAULTS, MAX_FAULT_TIMES } from '#bus-schemas';
import { ENGINE_FAULTS } from '../reasons.ts';
import { FaultReporter, faultKinds, REPORT_MS } from './fault-reporter.ts';

function setUp() {
  const sent: CountedFaults[] = [];
  return { sent, reporter: new FaultReporter((faults) => void sent.push(faults)) };
}

test('the first fault is reported at once, later ones once a minute together, and nothing without faults', () => {
  const { sent, reporter } = setUp();
  reporter.tick(0);
  expect(sent).toEqual([]);
  reporter.note('oom');
  reporter.tick(50);
  expect(sent).toEqual([[{ fault: 'oom', times: 1 }]]);
  for (const fault of ['wedged', 'thermal', 'wedged'] as const) reporter.note(fault);
  reporter.tick(50 + REPORT_MS - 1);
  expect(sent).toHaveLength(1);
  reporter.tick(50 + REPORT_MS);
  expect(sent[1]).toEqual([
    { fault: 'thermal', times: 1 },
    { fault: 'wedged', times: 2 },
  ]);
  reporter.tick(50 + 5 * REPORT_MS);
  expect(sent).toHaveLength(2);
});

test('a report of many faults is one that the network accepts', () => {
  const { sent, reporter } = setUp();
  for (const fault of MACHINE_FAULTS)
    for (let time = 0; time < MAX_FAULT_TIMES + 5; time += 1) reporter.note(fault);
  reporter.tick(0);
  const report = { agentVersion: '1', engine: 'mlx' as const, faults: sent[0] ?? [] };
  expect(FaultReport.decode(FaultReport.encode(report)).faults).toEqual(
    MACHINE_FAULTS.map((fault) => ({ fault, times: MAX_FAULT_TIMES })),
  );
});

test('every fault of the engine has a name in the network', () => {
  expect(Object.keys(faultKinds).toSorted()).toEqual(ENGINE_FAULTS.toSorted());
});
