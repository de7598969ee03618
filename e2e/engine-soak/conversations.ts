import type { SeededNumbers } from '#world/virtual/seeded-numbers.ts';

/** A prompt and the number of tokens of its answer. */
export interface Conversation {
  readonly prompt: readonly number[];
  readonly tokens: number;
  readonly scope: string;
}

/** Number of pairs of a first question and the next one, which repeats it with its answer. */
const PAIRS = 8;
/** The longest prompt fills a sixth of the machine's pages. */
const MOST_TOKENS = 1_600;
const MOST_ANSWERED = 48;
const CUSTOMERS = 3;

/**
 * Conversations of three customers: prompts of one token up to thousands, most of them short, and each
 * with a longer one that begins like it.
 */
export function conversationsOf(random: SeededNumbers, vocabulary: number): Conversation[] {
  const tokens = (count: number) => Array.from({ length: count }, () => random.integer(vocabulary));
  const length = () => Math.ceil(MOST_TOKENS ** random.fraction());
  return Array.from({ length: PAIRS }, (_, pair) => {
    const scope = `customer ${pair % CUSTOMERS}`;
    const answered = () => 1 + random.integer(MOST_ANSWERED);
    const first = tokens(length());
    const next = [...first, ...tokens(Math.min(length(), MOST_TOKENS - first.length + 1))];
    return [
      { prompt: first, tokens: answered(), scope },
      { prompt: next, tokens: answered(), scope },
    ];
  }).flat();
}
