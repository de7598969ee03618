import type { ComponentChildren } from 'preact';
import type { Resource } from '../state/resource.ts';
import { awaitsFirstAnswer } from '../state/resource-state.ts';
import { Skeleton } from './loaded.tsx';

interface TogetherProps {
  /** Everything that the parts of a page read. */
  readonly of: readonly Pick<Resource<unknown>, 'state'>[];
  /** Lines of the grey shape that stands for the parts while they load. */
  readonly lines?: number;
  readonly children: ComponentChildren;
}

/** The parts of a page, which appear together: none moves another one when its answer arrives. */
export function Together({ of, lines = 12, children }: TogetherProps) {
  if (of.some(({ state }) => awaitsFirstAnswer(state))) return <Skeleton lines={lines} />;
  return <>{children}</>;
}
