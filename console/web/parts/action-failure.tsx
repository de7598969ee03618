import type { Action } from '../state/action.ts';
import { reasonOf } from './loaded.tsx';

/** Why an action failed; nothing unless it did. */
export function ActionFailure({ of: { failure } }: { of: Action }) {
  return (
    failure && (
      <p class="problem" role="alert">
        {reasonOf(failure)}
      </p>
    )
  );
}
