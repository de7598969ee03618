import type { ComponentChildren } from 'preact';
import { Skeleton } from '../parts/loaded.tsx';
import type { Resource } from '../state/resource.ts';
import { awaitsFirstAnswer } from '../state/resource-state.ts';

interface TogetherProps {
  /** Everything that the parts of a page read. */
  readonly of: readonly Pick<Resource<unknown>, 'state'>[];
  readonly children: ComponentChildren;
}

/** The parts of a page, which appear together: none moves another one when its answer arrives. */
export function Together({ of, children }: TogetherProps) {
  if (of.some(({ state }) => awaitsFirstAnswer(state))) return <Skeleton lines={12} />;
  return <>{children}</>;
}
