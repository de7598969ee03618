import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Speculation } from './speculation.ts';

const PLAIN_MS = 100;

interface World {
  /** Time that the first further token adds to a step, and each one after it, in milliseconds. */
  readonly extraMs: readonly [number, number];
  /** Probability that a drafted token is right, in each quarter of the answers. */
  readonly acceptance: readonly number[];
  /** One entry for each answer: whether drafts are found for it. */
  readonly finds: readonly boolean[];
  readonly isCheap?: boolean;
}

const TOKENS = 600;

/** Runs answers of 600 tokens together, and returns the time that each of them took, in milliseconds. */
async function run(world: World, random: () => number): Promise<number[]> {
  const { extraMs, acceptance, finds, isCheap = true } = world;
  const speculation = new Speculation(10);
  /** The token at each place of an answer is its place. */
  const draft = ({ length }: readonly number[], most: number) =>
    Array.from({ length: most }, (_, i) => {
      const quarter = Math.min(3, Math.floor((4 * length) / TOKENS));
      return random() < (acceptance[quarter] as number) ? length + i : -1;
    });
  const answers = finds.map((isFound) => ({
    drafts: speculation.begin([
      { isCheap, expectedMs: () => 0, draft: isFound ? draft : () => [] },
    ]),
    tokens: [] as number[],
    tookMs: 0,
  }));
  for (let now = 0; ; ) {
    const open = answers.filter(({ tokens }) => tokens.length < TOKENS);
    if (open.length === 0) return answers.map(({ tookMs }) => tookMs);
    const drafted = await speculation.draft(
      open.map(({ drafts, tokens }) => ({ drafts, tokens, most: TOKENS - tokens.length - 1 })),
      64,
    );
    const parts = open.map(({ drafts, tokens }, i) => {
      const draft = drafted[i] as readonly number[];
      const wrong = draft.indexOf(-1);
      const accepted = wrong === -1 ? draft.length : wrong;
      for (let more = 0; more <= accepted; more += 1) tokens.push(tokens.length);
      return { drafts, accepted, tokens: 1 + draft.length };
    });
    const extra = parts.reduce((sum, { tokens }) => sum + tokens - 1, 0);
    const tookMs = PLAIN_MS + (extra > 0 ? extraMs[0] + (extra - 1) * extraMs[1] : 0);
    now += tookMs;
    for (const answer of open) answer.tookMs = now;
    speculation.took(parts, tookMs);
  }
}

const seeded = (seed: number) => {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
};

const cost = fc.double({ min: 0, max: 120, noNaN: true });
const share = fc.double({ min: 0, max: 1, noNaN: true });

test('an answer is at most 2 % slower than without drafts, whatever they cost and however often they are right', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        extraMs: fc.tuple(cost, cost),
        acceptance: fc.array(share, { minLength: 4, maxLength: 4 }),
        finds: fc.constant([true]),
        isCheap: fc.boolean(),
      }),
      fc.integer({ min: 1, max: 2 ** 31 }),
      async (world, seed) => {
        const [took] = await run(world, seeded(seed));
        expect(took).toBeLessThan(1.02 * TOKENS * PLAIN_MS);
      },
    ),
    { numRuns: 300 },
  );
});

test('an answer without drafts is at most 2 % slower beside answers with drafts', async () => {
  const world = { acceptance: [1, 1, 1, 1], finds: [true, true, false] };
  for (const ms of [0.1, 1, 10, 50])
    for (const took of await run({ ...world, extraMs: [ms, ms] }, seeded(1)))
      expect(took).toBeLessThan(1.02 * TOKENS * PLAIN_MS);
});

test('several answers with drafts become faster together', async () => {
  const world = { acceptance: [0.9, 0.9, 0.9, 0.9], finds: [true, true, true] };
  for (const took of await run({ ...world, extraMs: [5, 5] }, seeded(1)))
    expect((TOKENS * PLAIN_MS) / took).toBeGreaterThan(1.8);
});

test.for([
  [0.9, [10, 10], 2],
  [0.8, [20, 20], 1.5],
  [0.6, [20, 20], 1.15],
  // As on a processor that reads the weights twice for more than one input.
  [0.95, [90, 20], 1.5],
] as const)(
  'if the share %s of drafts is right, and they cost %s %% of a step, the answer is at least %s times as fast',
  async ([acceptance, extraMs, factor]) => {
    const [took = 0] = await run(
      { acceptance: Array(4).fill(acceptance), extraMs, finds: [true] },
      seeded(7),
    );
    expect((TOKENS * PLAIN_MS) / took).toBeGreaterThan(factor);
  },
);

test.for([true, false])(
  'drafts are tried again when they become useful in the middle of an answer (cheap: %s)',
  async (isCheap) => {
    const [took = 0] = await run(
      { acceptance: [0, 0, 0.95, 0.95], extraMs: [15, 15], finds: [true], isCheap },
      seeded(3),
    );
    expect((TOKENS * PLAIN_MS) / took).toBeGreaterThan(1.3);
  },
);
