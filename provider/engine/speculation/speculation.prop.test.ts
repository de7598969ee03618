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

/** Runs answers together, and returns the time that each of them took, in milliseconds. */
async function run(
  world: World,
  random: () => number,
  { speculation = new Speculation(10), most = TOKENS } = {},
): Promise<number[]> {
  const { extraMs, acceptance, finds, isCheap = true } = world;
  /** The token at each place of an answer is its place. */
  const draft = ({ length }: readonly number[], count: number) =>
    Array.from({ length: count }, (_, i) => {
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
    const open = answers.filter(({ tokens }) => tokens.length < most);
    if (open.length === 0) {
      for (const { drafts } of answers) speculation.end(drafts);
      return answers.map(({ tookMs }) => tookMs);
    }
    const drafted = await speculation.draft(
      open.map(({ drafts, tokens }) => ({ drafts, tokens, most: most - tokens.length - 1 })),
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

test.for([1, 3])(
  'many short answers, %s at once, are at most 2 %% slower together if no draft is right',
  async (together) => {
    const speculation = new Speculation(10);
    const world = { acceptance: [0, 0, 0, 0], finds: Array(together).fill(true), isCheap: false };
    let [took, tokens] = [0, 0];
    for (const extra of [5, 20, 40, 90])
      for (let answers = 0; answers < 50; answers += 1) {
        const most = 5 + (answers % 20);
        const extraMs = [extra, extra] as const;
        const times = await run({ ...world, extraMs }, seeded(answers), { speculation, most });
        took += times[0] ?? 0;
        tokens += most;
      }
    expect(took / PLAIN_MS).toBeLessThan(1.02 * tokens);
    expect(took / PLAIN_MS).toBeGreaterThan(tokens);
  },
);

test('answers after others that gained nothing gain again as soon as drafts are right', async () => {
  const speculation = new Speculation(10);
  const common = { extraMs: [20, 20] as const, finds: [true], isCheap: false };
  const many = async (share: number) => {
    let took = 0;
    for (let answer = 0; answer < 20; answer += 1) {
      const world = { ...common, acceptance: Array(4).fill(share) };
      took += (await run(world, seeded(answer), { speculation, most: 50 }))[0] ?? 0;
    }
    return (20 * 50 * PLAIN_MS) / took;
  };
  expect(await many(0)).toBeGreaterThan(0.98);
  expect(await many(0.9)).toBeGreaterThan(1.6);
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
