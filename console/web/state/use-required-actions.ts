import { useBalance, useKeys, useMachines } from './answers.ts';
import { useNow } from './now.ts';
import { type RequiredAction, requiredActions } from './required-actions.ts';
import { knownValue } from './resource-state.ts';

/** What the person has to do now. The events of the page keep it up to date. */
export function useRequiredActions(): RequiredAction[] {
  const balance = knownValue(useBalance().state);
  const keys = knownValue(useKeys().state);
  const machines = knownValue(useMachines().state);
  return requiredActions({ balance, keys, machines }, useNow());
}
