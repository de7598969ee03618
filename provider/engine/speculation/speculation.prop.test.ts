import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AnswerDrafts, Speculation } from './speculation.ts';

const PLAIN_MS = 100;

interface World {
  /** Time that each further token adds to a step, in milliseconds. */
  readonly perTokenMs: number;
  /** Probability that a drafted token is right, in each quarter of the answers. */
  readonly acceptance: readonly number[];
  /** True for each answer that drafts are found for. */
  readonly finds: readonly boolean[];
}

const TOKENS = 600;

/** Runs answers of 600 tokens together, and returns the time that each of them took, in milliseconds. */
async function run({ perTokenMs, acceptance, finds }: World, random: () => number) {
  const speculation = new Speculation(50);
  const answers = finds.map((isFound) => ({
    drafts: new AnswerDrafts({ draft: (_, most) => (isFound ? Array(most).fill(0) : []) }),
    made: 0,
    tookMs: 0,
  }));
  for (let now = 0; ; ) {
    const open = answers.filter(({ made }) => made < TOKENS);
    if (open.length === 0) return answers.map(({ tookMs }) => tookMs);
    const drafts = await speculation.draft(
      open.map(({ drafts, made }) => ({ drafts, tokens: [], most: TOKENS - made - 1 })),
      64,
    );
    const parts = open.map((answer, i) => {
      const drafted = drafts[i]?.length ?? 0;
      const likely = acceptance[Math.floor((4 * answer.made) / TOKENS)] as number;
      let accepted = 0;
      while (accepted < drafted && random() < likely) accepted += 1;
      answer.made += 1 + accepted;
      return { drafts: answer.drafts, drafted, accepted, tokens: 1 + drafted };
    });
    const extra = parts.reduce((sum, { drafted }) => sum + drafted, 0);
    const tookMs = PLAIN_MS + extra * perTokenMs;
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

test('an answer is at most 2 % slower than without drafts, whatever they cost and however often they are right', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        perTokenMs: fc.double({ min: 0, max: 150, noNaN: true }),
        acceptance: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
          minLength: 4,
          maxLength: 4,
        }),
        finds: fc.constant([true]),
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
  for (const perTokenMs of [0.1, 1, 10, 50])
    for (const took of await run({ ...world, perTokenMs }, seeded(1)))
      expect(took).toBeLessThan(1.02 * TOKENS * PLAIN_MS);
});

test.for([
  [0.9, 10, 2.5],
  [0.8, 20, 1.6],
  [0.6, 20, 1.15],
] as const)(
  'drafts of which %d are right, for %d %% of a step each, make an answer %d times as fast',
  async ([acceptance, perTokenMs, factor]) => {
    const [took = 0] = await run(
      { acceptance: Array(4).fill(acceptance), perTokenMs, finds: [true] },
      seeded(7),
    );
    expect((TOKENS * PLAIN_MS) / took).toBeGreaterThan(factor);
  },
);

test('drafts are tried again when they become useful in the middle of an answer', async () => {
  const [took = 0] = await run(
    { acceptance: [0, 0, 0.95, 0.95], perTokenMs: 15, finds: [true] },
    seeded(3),
  );
  expect((TOKENS * PLAIN_MS) / took).toBeGreaterThan(1.4);
});
