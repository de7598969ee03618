import { prepareRealModels } from '#cli/up/real-models.ts';
import type { Backend } from '#provider/engine/decoders/decoder.ts';
import { createCpuBackend } from '#provider/engine/decoders/native-decoder.ts';
import { tryOut } from '#provider/engine/decoders/try-out.ts';
import { unguarded } from '#provider/engine/guarded-work.ts';
import { DraftModel } from '#provider/engine/speculation/draft-model.ts';
import { RepeatedText } from '#provider/engine/speculation/repeated-text.ts';
import { type Model, openModel } from '#provider/models/model.ts';
import { benchDraftHeads } from './draft-heads.ts';
import { comparisonOf, measuredAnswer } from './measured-answer.ts';

const say = (line = '') => console.log(line);

const sizes = {
  full: { rounds: 9, tokens: 200 },
  smoke: { rounds: 1, tokens: 24 },
} as const;
const PAGES = 64;

const PARAGRAPH =
  'The harbour master keeps a list of all boats that arrive in the morning. Each boat has a name, a captain and a number of crates. The crates are weighed on the quay, and the weight is written beside the name. In the afternoon the list goes to the office, where a clerk compares it with the bills. If a weight is missing, the clerk walks back to the quay and asks the captain.';
const CODE =
  'function total(items) {\n  let sum = 0;\n  for (const item of items) {\n    if (item.price > 0) {\n      sum += item.price * item.count;\n    }\n  }\n  return sum;\n}';

/** Requests whose answers repeat their prompt, and one whose answer repeats little. */
const requests = [
  ['repeat a text', `Repeat this text word for word:\n\n${PARAGRAPH}`],
  ['repeat code', `Print this code again without any change:\n\n${CODE}`],
  ['count', 'Count from 1 to 100, one number in each line, and write nothing else.'],
  ['a story', 'Write a long story about a lighthouse, a storm and a lost dog.'],
  ['an explanation', 'Explain why the sky is blue and why sunsets are red.'],
] as const;

/**
 * A draft model of the same size as the model cannot help: it shows what a useless one costs. It is used
 * without drafts of the text.
 */
const kinds = ['no drafts', 'drafts of the text', 'a useless draft model'] as const;
type Kind = (typeof kinds)[number];

/** Compares greedy answers of SmolLM2-135M-Instruct with and without drafts, in turns. */
export async function benchDrafts(size: keyof typeof sizes): Promise<void> {
  const { rounds, tokens } = sizes[size];
  const signal = new AbortController().signal;
  const [real] = await prepareRealModels('smollm2', { signal, say });
  const model = await openModel((real as { folder: string }).folder);
  // One thread, because its processor time is comparable while other programs run.
  const opened = createCpuBackend({ threads: 1, fine: true });
  if ('reason' in opened) throw new Error(opened.reason);
  await using backend = opened.backend;
  say(`${size} size; ${backend.device}; up to ${tokens} tokens, greedy, one answer at a time.`);
  say('How many times faster with drafts; median of the rounds (least–most).');
  for (const [name, content] of requests) {
    const prompt = model.tokenizer.encode(
      model.template.render({ messages: [{ role: 'user', content }], max_tokens: tokens }),
    );
    const answers: Record<Kind, Answer>[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const made = new Map<Kind, Answer>();
      // The order changes from round to round, because a warm machine becomes slower.
      for (let i = 0; i < kinds.length; i += 1) {
        const kind = kinds[(i + round) % kinds.length] as Kind;
        made.set(kind, await answerOf({ backend, model, prompt, tokens, kind }));
      }
      answers.push(Object.fromEntries(made) as Record<Kind, Answer>);
    }
    say(`  ${name}: ${answers[0]?.['no drafts'].tokens.length} tokens`);
    for (const kind of kinds.slice(1)) {
      const pairs = answers.map((round) => ({ plain: round['no drafts'], drafted: round[kind] }));
      say(`    ${kind.padEnd(22)} ${comparisonOf(kind, pairs)}`);
    }
  }
  await benchDraftHeads(size);
}

type Answer = Awaited<ReturnType<typeof measuredAnswer>>;

async function answerOf({
  backend,
  model,
  prompt,
  tokens,
  kind,
}: {
  backend: Backend;
  model: Model;
  prompt: readonly number[];
  tokens: number;
  kind: Kind;
}) {
  const load = () => backend.load({ model, pages: PAGES, maxTokens: 512 });
  await using decoder = await load();
  await using drafting = kind === 'a useless draft model' ? await load() : undefined;
  const clock = () => performance.now();
  const trial = { vocabulary: model.shape.vocabulary, clock };
  const speeds = await tryOut(decoder, trial);
  const fail = (error: unknown) => {
    throw error;
  };
  const draftModel =
    drafting &&
    new DraftModel({
      decoder: drafting,
      vocabulary: trial.vocabulary,
      contextTokens: model.shape.contextTokens,
      maxTokens: 512,
      speeds: await tryOut(drafting, trial),
      guard: unguarded,
      clock,
      onFailure: fail,
    });
  return measuredAnswer({
    decoder,
    pages: PAGES,
    states: 0,
    maxTokens: 512,
    speeds,
    prompt,
    tokens,
    isEnd: (token) => model.endTokens.has(token),
    ...(kind !== 'no drafts' && {
      source: (_, pages) => draftModel?.begin(pages) ?? new RepeatedText(),
    }),
  });
}
