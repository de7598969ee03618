import { useState } from 'preact/hooks';
import { ApiFailure } from '../api/failure.ts';

export interface Action {
  readonly isBusy: boolean;
  readonly failure: ApiFailure | undefined;
  /** Runs the work once; a second call while it runs does nothing. */
  readonly run: (work: () => Promise<void>) => void;
}

/** The state of an action that a person starts, such as the creation of a key. */
export function useAction(): Action {
  const [isBusy, setBusy] = useState(false);
  const [failure, setFailure] = useState<ApiFailure>();
  const run = async (work: () => Promise<void>) => {
    if (isBusy) return;
    setBusy(true);
    setFailure(undefined);
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error;
      setFailure(error);
    } finally {
      setBusy(false);
    }
  };
  return { isBusy, failure, run: (work) => void run(work) };
}
