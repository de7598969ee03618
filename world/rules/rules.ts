import { answerRules } from './answer-rules.ts';
import { moneyRules } from './money-rules.ts';
import type { Rule } from './rule.ts';
import { trustRules } from './trust-rules.ts';

/** The rules that every world must keep. */
export const rules: readonly Rule[] = [...answerRules, ...moneyRules, ...trustRules];
