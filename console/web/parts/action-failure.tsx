import type { Action } from '../state/action.ts';
import { failureText } from '../texts/failure-text.ts';

/** Why an action failed; nothing unless it did. */
export function ActionFailure({ of: { failure } }: { of: Action }) {
  return (
    failure && (
      <p class="problem" role="alert">
        {failureText(failure)}
      </p>
    )
  );
}
