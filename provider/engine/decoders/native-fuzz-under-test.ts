// A program for a child process, with the arguments <seconds> <seed>. It opens hostile model
// folders and makes hostile calls with the sanitized build of the CPU decoder. An error of memory
// or arithmetic ends the process with the sanitizer's report; otherwise it prints the number of
// attempts of each kind.
import fc from 'fast-check';
import { loadCpuDecoders, loadCpuVisionTowers, type NativeDecoder } from '#native';
import { openDecoderAlone } from '../../models/model.ts';
import { ModelError } from '../../models/model-error.ts';
import {
  ModelFolderUnderTest,
  mutationsOf,
  promptsOf,
  withValueAt,
} from '../../models/model-folder-under-test.ts';
import { RopeTables } from '../../models/rope.ts';
import { openReading } from '../encoders/reading-under-test.ts';
import { nativeTowerOrder } from '../vision/native-tower.ts';
import {
  openVisionFixture,
  type VisionFixtureName,
  visionFixtures,
} from '../vision/vision-under-test.ts';
import { type Decoder, KEPT_TOKENS, NO_STATE, PAGE_TOKENS } from './decoder.ts';
import { fixtures, fixturesWithHeads, openFixture } from './decoder-under-test.ts';
import { createCpuBackend } from './native-decoder.ts';
import { draftStepOf, type PlacedImage, stepOf } from './step.ts';

const [seconds = '5', seed = '1'] = process.argv.slice(2);
const PAGES = 6;
const STATES = 3;
const MAX_TOKENS = 64;
const CODES = ['invalid_model', 'invalid_step', 'not_loaded', 'engine_failed'];

const made = createCpuBackend({ addon: 'cpu-sanitized', threads: 2 });
const addon = loadCpuDecoders('cpu-sanitized');
if ('reason' in made || !addon.available)
  throw new Error('native/build/cpu-sanitized.node is not built');
const { backend } = made;
const { Decoder: Native } = addon.exports;
const tried = {
  folders: 0,
  answers: 0,
  steps: 0,
  taken: 0,
  advances: 0,
  drafts: 0,
  models: 0,
  loaded: 0,
};

/**
 * Resolves to true if the call was accepted. Throws if it was rejected without one of the known
 * codes.
 */
async function isTaken(call: Promise<unknown>): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (error) {
    if (CODES.includes((error as { code?: string }).code ?? '')) return false;
    throw error;
  }
}

const pagesFor = (tokens: number) =>
  Array.from({ length: Math.ceil(tokens / PAGE_TOKENS) }, (_, i) => PAGES - 1 - i);

async function answer(decoder: Decoder, prompt: readonly number[]): Promise<void> {
  const tokens = prompt.slice(0, MAX_TOKENS);
  if (tokens.length === 0) return;
  const pages = pagesFor(tokens.length + 1);
  const { best } = await decoder.step(
    stepOf([{ tokens, from: 0, pages, outputTokens: 'last' }], true),
  );
  await decoder.step(
    stepOf(
      [{ tokens: [best[0] as number], from: tokens.length, pages, outputTokens: 'last' }],
      false,
    ),
  );
  tried.answers += 1;
}

/** Opens a changed folder. If that works, the decoder answers its prompts. */
async function useFolder(folder: ModelFolderUnderTest): Promise<void> {
  tried.folders += 1;
  try {
    const prompts = await promptsOf(folder.path);
    const model = await openDecoderAlone(folder.path);
    await using decoder = await backend.load({ model, pages: PAGES, maxTokens: MAX_TOKENS });
    for (const prompt of prompts.slice(0, 2)) await answer(decoder, prompt);
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
  }
}

const whole = { vocabulary: 0, pages: PAGES, tokens: MAX_TOKENS };
const index = fc.oneof(
  fc.nat(300),
  fc.integer({ min: -3, max: 80 }),
  fc.constantFrom(-(2 ** 31), 2 ** 31 - 1, 65_536, whole.pages * PAGE_TOKENS),
);
const list = fc.array(index, { maxLength: 80 }).map((values) => Int32Array.from(values));
const junk = fc.oneof(
  list,
  fc.array(fc.float(), { maxLength: 40 }).map((values) => Float32Array.from(values)),
  fc.constantFrom<unknown>(
    undefined,
    null,
    1,
    -1,
    1e300,
    Number.NaN,
    'text',
    {},
    [],
    new Uint8Array(3),
    new BigInt64Array(2),
    new Int32Array(0),
    true,
  ),
  fc.nat(2_000),
);

/**
 * Generates steps like those of the scheduler, but replaces some fields, or single numbers of their
 * lists.
 */
function hostileStep(ropes: RopeTables, imageNumbers: number) {
  const parts = fc.array(
    fc.record({
      tokens: fc.array(fc.nat(90), { minLength: 1, maxLength: 20 }),
      from: fc.nat(60),
      isImage: fc.boolean(),
    }),
    { minLength: 1, maxLength: 3 },
  );
  const names = fc.constantFrom(
    'tokens',
    'positions',
    'places',
    'rows',
    'tables',
    'outputs',
    'states',
    'ropeAngles',
    'ends',
    'imageTokens',
    'imageEmbeddings',
    'tableWidth',
    'wantsLogits',
  );
  const change = fc.oneof(
    fc.tuple(names, junk),
    fc.tuple(
      names,
      fc.tuple(
        fc.nat(50),
        fc.oneof(index, fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, 1e38)),
      ),
    ),
  );
  return fc
    .tuple(parts, fc.array(change, { maxLength: 2 }), fc.boolean())
    .map(([sequences, changes, wantsLogits]) => {
      const plain = stepOf(
        sequences.map(({ tokens, from, isImage }, index) => ({
          tokens,
          from,
          images: isImage ? [imageOf(from, tokens.length, imageNumbers)] : [],
          pages: pagesFor(from + tokens.length),
          state: { read: from === 0 ? NO_STATE : index, write: index },
          outputTokens: 'every' as const,
        })),
        wantsLogits,
      );
      const step: Record<string, unknown> = {
        ...plain,
        ropeAngles: ropes.angles(plain.coordinates),
      };
      for (const [name, value] of changes) {
        const before = step[name];
        // Not in a list of BigInt, which an earlier change may have put there.
        const hasNumbers = before instanceof Int32Array || before instanceof Float32Array;
        if (Array.isArray(value) && hasNumbers) before[value[0] as number] = value[1] as number;
        else step[name] = value;
      }
      return step;
    });
}

const imageOf = (at: number, tokens: number, imageNumbers: number): PlacedImage => ({
  at,
  tokens,
  digest: '',
  embeddings: new Float32Array(tokens * imageNumbers).fill(0.5),
  isWhole: at % 2 === 0,
  grid: { rows: 1, columns: tokens },
});

async function callSteps(
  native: NativeDecoder,
  { ropes, imageNumbers }: { ropes: RopeTables; imageNumbers: number },
  run: RunOptions,
): Promise<void> {
  await assertFor(
    fc.asyncProperty(
      hostileStep(ropes, imageNumbers),
      fc.option(fc.oneof(hostileStep(ropes, imageNumbers), junk), { nil: undefined }),
      fc.option(junk),
      fc.option(hostileUnits),
      hostileDraft,
      hostileAdvance,
      async (step, expected, pages, units, { before, isChained }, advance) => {
        tried.steps += 1;
        if (await isTaken(native.step(step, expected))) tried.taken += 1;
        if (await isTaken(native.advance(advance))) tried.advances += 1;
        // The tokens of a step, each after itself, can be a draft.
        const each = ArrayBuffer.isView(step['tokens'])
          ? Int32Array.from({ length: (step['tokens'] as Int32Array).length }, (_, i) => i)
          : before;
        if (await isTaken(native.draft({ ...step, before: before ?? each, isChained })))
          tried.drafts += 1;
        if (pages !== null) await isTaken(native.keep(pages as number, pages as number));
        if (units !== null) await copyUnits(native, units);
      },
    ),
    run,
  );
}

/** A step and its first tokens without a fault, for the same reason as `callDraft`. */
async function callAdvance(native: NativeDecoder, ropes: RopeTables): Promise<void> {
  const parts = [3, 2].map((tokens, slot) => ({
    tokens: Array.from({ length: tokens }, (_, i) => i),
    from: 0,
    pages: [slot],
    state: { read: NO_STATE, write: slot },
    outputTokens: 'last' as const,
  }));
  const step = stepOf(parts, false);
  await native.step({ ...step, ropeAngles: ropes.angles(step.coordinates) });
  const [slots, firsts, counts] = [Int32Array.of(2, 0), Int32Array.of(0, 3), Int32Array.of(2, 1)];
  await native.advance({ slots, firsts, counts });
  tried.advances += 1;
}

/** A step and a draft without a fault: the steps after them may be too few for one that is accepted. */
async function callDraft(native: InstanceType<typeof Native>, ropes: RopeTables): Promise<void> {
  const state = { read: NO_STATE, write: 0 };
  const begun = { tokens: [1, 2, 3], from: 0, pages: [0], state, outputTokens: 'last' } as const;
  const step = stepOf([begun], false);
  await native.step({ ...step, ropeAngles: ropes.angles(step.coordinates) });
  const draft = draftStepOf([{ tokens: [4], from: 0, at: 2, before: 2, pages: [0] }], false);
  await native.draft({ ...draft, ropeAngles: ropes.angles(draft.coordinates) });
  tried.drafts += 1;
}

const hostileDraft = fc.record({
  before: fc.option(junk, { freq: 2, nil: undefined }),
  isChained: fc.oneof({ weight: 3, arbitrary: fc.boolean() }, junk),
});

const few = fc.array(fc.nat(12), { maxLength: 3 }).map((numbers) => Int32Array.from(numbers));
const hostileAdvance = fc.record({
  slots: fc.oneof({ weight: 3, arbitrary: few }, junk),
  firsts: fc.oneof({ weight: 3, arbitrary: few }, junk),
  counts: fc.oneof({ weight: 3, arbitrary: few }, junk),
});

const someUnits = (most: number) =>
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc
        .array(fc.nat(most - 1), { maxLength: 3 })
        .map((units) => Int32Array.from(units)),
    },
    junk,
  );
const hostileUnits = fc.record({
  units: fc.record({ pages: someUnits(PAGES), states: someUnits(STATES) }),
  bytes: junk,
  shorterBy: fc.constantFrom(0, 0, 1),
});

/** Copies units out of the cache and back, or bytes that are not theirs. */
async function copyUnits(
  native: NativeDecoder,
  { units, bytes, shorterBy }: { units: object; bytes: unknown; shorterBy: number },
): Promise<void> {
  let saved: Uint8Array | undefined;
  const save = async () => {
    saved = await native.save(units);
  };
  await isTaken(save());
  if (saved !== undefined)
    await isTaken(native.restore(units, saved.subarray(0, saved.length - shorterBy)));
  await isTaken(native.restore(units, bytes as Uint8Array));
}

async function callLoads(order: object, run: RunOptions): Promise<void> {
  const changes = fc.array(
    fc.tuple(fc.array(fc.nat(10_000), { minLength: 1, maxLength: 7 }), junk),
    { maxLength: 3 },
  );
  await assertFor(
    fc.asyncProperty(changes, async (all) => {
      const model = structuredClone(order);
      for (const [path, value] of all) withValueAt(model, path, value);
      const native = new Native();
      tried.models += 1;
      if (await isTaken(native.load(model))) tried.loaded += 1;
      await isTaken(native.step({}));
      await native.close();
    }),
    run,
  );
}

/** Opens vision towers of changed shapes and weights, and lets those that open compute an image. */
async function callTowers(name: VisionFixtureName, run: RunOptions): Promise<void> {
  const towers = loadCpuVisionTowers('cpu-sanitized');
  if (!towers.available) throw new Error(towers.reason);
  const { VisionTower } = towers.exports;
  const { vision } = await openVisionFixture(name);
  const order = await nativeTowerOrder(vision, 2);
  const token = vision.shape.patch * vision.shape.pooled;
  const [width, height] = [2 * token, 3 * token];
  const changes = fc.array(
    fc.tuple(fc.array(fc.nat(10_000), { minLength: 1, maxLength: 4 }), junk),
    { maxLength: 2 },
  );
  await assertFor(
    fc.asyncProperty(changes, junk, junk, async (all, image, side) => {
      const model = structuredClone(order);
      for (const [path, value] of all) withValueAt(model, path, value);
      tried.models += 1;
      await isTaken(
        (async () => {
          const tower = new VisionTower(model);
          tried.loaded += 1;
          const numbers = new Uint8Array(3 * width * height).fill(99);
          await isTaken(tower.embed({ numbers: image as Uint8Array, width, height }));
          await isTaken(tower.embed({ numbers, width: side as number, height }));
          await tower.embed({ numbers, width, height });
          await tower.close();
        })(),
      );
    }),
    run,
  );
}

interface RunOptions {
  readonly ms: number;
}

/** Tries a property at least once, however slow the machine is, and then for as long as it may. */
async function assertFor<T>(property: fc.IAsyncProperty<T>, { ms }: RunOptions): Promise<void> {
  await fc.assert(property, { seed: Number(seed), numRuns: 1 });
  const details = await fc.check(property, {
    seed: Number(seed),
    numRuns: 10_000_000,
    interruptAfterTimeLimit: ms,
    markInterruptAsFailure: false,
  });
  if (details.counterexample !== null)
    throw new Error(fc.defaultReportMessage(details), { cause: details.errorInstance });
}

const ms = 1_000 * Number(seconds);
await using folder = await ModelFolderUnderTest.create();
let last: Promise<void> = Promise.resolve();
await assertFor(
  fc.asyncProperty(mutationsOf(folder), (mutation) => {
    last = folder.withFile(mutation, () => useFolder(folder));
    return last;
  }),
  { ms: ms / 2 },
);
await last;

const models = [
  ...(await Promise.all(
    [...fixtures, ...fixturesWithHeads].map(async (name) => (await openFixture(name)).model),
  )),
  (await openReading('qwen3-embedding')).decoder,
  (await openReading('embeddinggemma')).decoder,
  (await openVisionFixture('qwen3-vl')).model,
  (await openVisionFixture('qwen3-vl-moe')).model,
];
for (const { shape, weights } of models) {
  const order = {
    shape,
    weights,
    pages: PAGES,
    states: STATES,
    pageTokens: PAGE_TOKENS,
    maxTokens: MAX_TOKENS,
    keptTokens: KEPT_TOKENS,
    threads: 2,
    fine: true,
  };
  const native = new Native();
  await native.load(order);
  const ropes = new RopeTables(shape);
  if (shape.layers.some(({ delta }) => delta)) await callAdvance(native, ropes);
  if (weights.head) await callDraft(native, ropes);
  await callSteps(
    native,
    { ropes, imageNumbers: shape.hidden * (1 + shape.imageLayers) },
    { ms: ms / 4 / models.length },
  );
  await callLoads(order, { ms: ms / 4 / models.length });
  await native.close();
}
for (const name of visionFixtures) await callTowers(name, { ms: ms / 8 / visionFixtures.length });
process.stdout.write(`${JSON.stringify(tried)}\n`);
