import type { Check, CheckFinding } from './check.ts';
import { homeChecks } from './home-checks.ts';
import { machineChecks } from './machine-checks.ts';
import { networkChecks } from './network-checks.ts';
import { speedCheck } from './speed-check.ts';

export const checks: readonly Check[] = [
  ...machineChecks,
  ...homeChecks,
  speedCheck,
  ...networkChecks,
];

const LABELS = { ok: 'ok', advice: 'advice', fault: 'FAULT', unknown: 'unknown' } as const;
const LABEL_WIDTH = 9;
const NAME_WIDTH = 20;

/** The findings for a terminal: meaning and fix only where something can be done. */
export function printedFindings(findings: readonly CheckFinding[]): string {
  const lines = findings.flatMap(({ name, meaning, state, text, fix }) => [
    `${LABELS[state].padEnd(LABEL_WIDTH)}${name.padEnd(NAME_WIDTH)}${text}`,
    ...(fix === undefined
      ? []
      : [
          `${''.padEnd(LABEL_WIDTH + NAME_WIDTH)}${meaning}`,
          `${''.padEnd(LABEL_WIDTH + NAME_WIDTH)}→ ${fix}`,
        ]),
  ]);
  const count = (state: CheckFinding['state']) =>
    findings.filter((each) => each.state === state).length;
  return [
    ...lines,
    '',
    `${findings.length} checks: ${count('ok')} ok, ${count('advice')} with advice, ${count('fault')} with a fault, ${count('unknown')} unknown.`,
  ].join('\n');
}
