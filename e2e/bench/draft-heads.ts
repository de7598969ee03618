import { createCpuBackend } from '#provider/engine/decoders/native-decoder.ts';
import { tryOut } from '#provider/engine/decoders/try-out.ts';
import { unguarded } from '#provider/engine/guarded-work.ts';
import { loadDraftHead } from '#provider/engine/speculation/load-draft-head.ts';
import { withoutHead } from '#provider/models/head-weights.ts';
import { createHeadedModel } from './headed-model.ts';
import { comparisonOf, measuredAnswer } from './measured-answer.ts';

const say = (line = '') => console.log(line);

const sizes = {
  full: { rounds: 5, tokens: 200 },
  smoke: { rounds: 1, tokens: 24 },
} as const;
const LIMITS = { pages: 32, states: 4, maxTokens: 512 };
/** The processor time of this process, so that other programs change no decision about drafts. */
const clock = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

/**
 * Compares answers of a model whose draft head is mostly right, and of one whose head is always wrong, with
 * those of the same model without its head, in turns. Both are put together for this: they show what a
 * head costs and gains at a known share of right drafts, and not how often a trained head is right.
 */
export async function benchDraftHeads(size: keyof typeof sizes): Promise<void> {
  const { rounds, tokens } = sizes[size];
  const opened = createCpuBackend({ threads: 1, fine: true });
  if ('reason' in opened) throw new Error(opened.reason);
  await using backend = opened.backend;
  say('A hybrid model of 12 layers with a draft head, without drafts of the text.');
  for (const isRight of [true, false]) {
    await using made = await createHeadedModel(isRight);
    const { model } = made;
    await using plain = await backend.load({ model: withoutHead(model), ...LIMITS });
    await using headed = await backend.load({ model, ...LIMITS });
    const { vocabulary } = model.shape;
    const speeds = await tryOut(plain, { vocabulary, clock });
    const head = await loadDraftHead(headed, {
      vocabulary,
      maxTokens: LIMITS.maxTokens,
      speeds,
      guard: unguarded,
      clock,
      onFailure: (error) => {
        throw error;
      },
    });
    if (head === undefined) throw new Error('the engine computes no draft head');
    const common = {
      ...LIMITS,
      speeds,
      clock,
      tokens,
      prompt: Array.from({ length: 100 }, (_, i) => (i * 31 + 7) % vocabulary),
      isEnd: () => false,
    };
    const kinds = {
      plain: () => measuredAnswer({ ...common, decoder: plain }),
      drafted: () =>
        measuredAnswer({
          ...common,
          decoder: headed,
          source: (task, pages) => head.begin(task, pages),
        }),
    };
    const pairs = [];
    for (let round = 0; round < rounds; round += 1) {
      // The order changes from round to round, because a warm machine becomes slower.
      if (round % 2 === 0)
        pairs.push({ plain: await kinds.plain(), drafted: await kinds.drafted() });
      else pairs.push({ drafted: await kinds.drafted(), plain: await kinds.plain() });
    }
    const name = isRight ? 'a head that is mostly right' : 'a head that is wrong';
    say(`    ${name.padEnd(28)} ${comparisonOf(name, pairs)}`);
  }
}
