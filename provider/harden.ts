import { type HardeningOutcome, loadHardening } from '#native';

/**
 * Denies debuggers and core dumps, which could reveal prompts from the memory of this process.
 * Returns true if no debugger can attach to it.
 */
export function harden(warn: (facts: object, message: string) => void): boolean {
  const hardening = loadHardening();
  if (!hardening.available) {
    warn({}, hardening.reason);
    return false;
  }
  const outcomes: readonly HardeningOutcome[] = hardening.hardenProcess();
  for (const outcome of outcomes)
    if (!outcome.done) warn(outcome, 'a protection of this process could not be switched on');
  return outcomes.some(({ measure, done }) => measure === 'debugger_denied' && done);
}
