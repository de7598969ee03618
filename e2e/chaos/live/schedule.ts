import { SeededNumbers } from '#world/virtual/seeded-numbers.ts';

/** What can go wrong with a network of real processes. */
export type FaultKind =
  | 'killed'
  | 'frozen'
  | 'link silent'
  | 'link cut'
  | 'disk full'
  | 'disk slow'
  | 'clock off'
  | 'memory short'
  | 'packets lost'
  | 'network down';

/** The names of what each kind of fault can concern. */
export type Targets = Readonly<Record<FaultKind, readonly string[]>>;

export interface ChaosFault {
  readonly kind: FaultKind;
  readonly target: string;
  readonly forMs: number;
  /** With `clock off`: the shift of the clock. */
  readonly shiftMs: number;
}

/** How often each kind stands in a round. */
const ROUND: readonly FaultKind[] = [
  'killed',
  'killed',
  'killed',
  'frozen',
  'frozen',
  'link silent',
  'link silent',
  'link cut',
  'disk full',
  'disk slow',
  'clock off',
  'memory short',
  'packets lost',
  'network down',
];
const SHORTEST_MS = 500;
/** A clock is off by up to ten minutes. */
const LONGEST_SHIFT_MS = 600_000;

/**
 * The faults of a seed, without an end. Each round has every kind in another order, and each kind
 * takes its targets one after the other in an order of its own. What a computer cannot do is left
 * out by the caller, so that the other faults of a seed are the same everywhere.
 */
export function* drawFaults(
  seed: number,
  targets: Targets,
  longestMs: number,
): Generator<ChaosFault, never> {
  const numbers = new SeededNumbers(seed, 'chaos');
  const decks = new Map<FaultKind, string[]>();
  const nextTarget = (kind: FaultKind): string => {
    const deck = decks.get(kind) ?? [];
    if (deck.length === 0) deck.push(...shuffled(targets[kind], numbers));
    decks.set(kind, deck);
    return deck.pop() as string;
  };
  for (;;)
    for (const kind of shuffled(ROUND, numbers))
      yield {
        kind,
        target: nextTarget(kind),
        forMs: Math.round(numbers.between(SHORTEST_MS, longestMs)),
        shiftMs: Math.round(numbers.between(-LONGEST_SHIFT_MS, LONGEST_SHIFT_MS)),
      };
}

function shuffled<Value>(values: readonly Value[], numbers: SeededNumbers): Value[] {
  const left = [...values];
  const order: Value[] = [];
  while (left.length > 0) order.push(...left.splice(numbers.integer(left.length), 1));
  return order;
}
