import type { Facts } from './facts.ts';

/**
 * `fault`: the machine cannot serve, or its keys are in danger. `advice`: it serves, and something
 * should be better. `unknown`: the check needs something that is missing now.
 */
type FindingState = 'ok' | 'advice' | 'fault' | 'unknown';

export interface CheckOutcome {
  readonly state: FindingState;
  readonly text: string;
  /** The command or the step that helps. */
  readonly fix?: string;
}

export interface Check<Known = Facts> {
  readonly name: string;
  /** The purpose of the check, in one sentence. */
  readonly meaning: string;
  readonly judge: (facts: Known) => CheckOutcome;
}

export interface CheckFinding extends CheckOutcome {
  readonly name: string;
  readonly meaning: string;
}

export const fine = (text: string): CheckOutcome => ({ state: 'ok', text });
export const unknown = (text: string): CheckOutcome => ({ state: 'unknown', text });
export const advice = (text: string, fix: string): CheckOutcome => ({ state: 'advice', text, fix });
export const fault = (text: string, fix: string): CheckOutcome => ({ state: 'fault', text, fix });

export const findingsOf = <Known>(
  checks: readonly Check<Known>[],
  facts: Known,
): readonly CheckFinding[] =>
  checks.map(({ name, meaning, judge }) => ({ name, meaning, ...judge(facts) }));
