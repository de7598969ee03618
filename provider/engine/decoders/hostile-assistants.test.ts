import { expect, test } from 'vitest';
import type { AssistantModel } from '../../models/assistant-model.ts';
import { openAssisted } from './decoder-under-test.ts';
import { createCpuBackend, createMlxBackend } from './native-decoder.ts';

const { model } = await openAssisted('gemma4-assisted-groups');
const { assistant } = model;
const { shape, weights } = assistant;
const groups = weights.groups as NonNullable<typeof weights.groups>;

const ofLayers = (fields: object): AssistantModel => ({
  ...assistant,
  shape: { ...shape, layers: shape.layers.map((layer) => ({ ...layer, ...fields })) },
});
const ofShape = (fields: object): AssistantModel => ({
  ...assistant,
  shape: { ...shape, ...fields },
});
const ofWeights = (fields: object): AssistantModel => ({
  ...assistant,
  weights: { ...weights, ...fields },
});
const ofGroups = (fields: object) => ofWeights({ groups: { ...groups, ...fields } });

/** Assistants that would read or write outside of an engine's memory. */
const HOSTILE: Readonly<Record<string, AssistantModel>> = {
  'layers that read the keys of no layer': ofLayers({ keysOf: 99 }),
  'layers that read the keys of a negative layer': ofLayers({ keysOf: -2 }),
  'layers that read the keys of a layer without any': ofLayers({ keysOf: 5 }),
  'layers that read keys of another size': ofLayers({ keysOf: 1 }),
  'layers with keys of their own': ofLayers({ keysOf: undefined }),
  'another window': ofLayers({ window: 4 }),
  'another rope': ofLayers({ rope: 7 }),
  'a larger vocabulary': ofShape({ vocabulary: 1024 }),
  'larger states': ofShape({ hidden: 64 }),
  'larger heads': ofShape({ headDim: 64 }),
  'more heads': ofShape({ heads: 4 }),
  'fewer layers than weights': ofShape({ layers: shape.layers.slice(1) }),
  'no layers': { ...ofShape({ layers: [] }), weights: { ...weights, layers: [] } },
  'an output of another size': ofWeights({ back: weights.join }),
  'an input of another size': ofWeights({ join: weights.back }),
  'a whole vocabulary whose matrix has groups': ofWeights({ groups: undefined }),
  'a token outside of the vocabulary': ofGroups({ tokens: groups.tokens.map(() => 512) }),
  'a negative token': ofGroups({ tokens: groups.tokens.map(() => -1) }),
  'too few tokens': ofGroups({ tokens: groups.tokens.slice(1) }),
  'more chosen groups than there are': ofGroups({ chosen: 33 }),
  'no chosen group': ofGroups({ chosen: 0 }),
  'scores of another size': ofGroups({ scores: weights.join }),
};

for (const [kind, made] of [
  ['cpu', createCpuBackend({ threads: 1 })],
  ['mlx', createMlxBackend()],
] as const) {
  const options = { pages: 4, maxTokens: 32 };
  test.skipIf('reason' in made)(`${kind} refuses an assistant with`, async () => {
    if ('reason' in made) return;
    const codes: Record<string, unknown> = {};
    for (const [what, hostile] of Object.entries(HOSTILE))
      codes[what] = await made.backend
        .load({ model: { ...model, assistant: hostile }, ...options })
        .then(
          () => 'loaded',
          (error: { code?: unknown }) => error.code,
        );
    expect(codes).toEqual(
      Object.fromEntries(Object.keys(HOSTILE).map((what) => [what, 'invalid_model'])),
    );
    await using decoder = await made.backend.load({ model, ...options });
    expect(decoder.memoryBytes).toBeGreaterThan(0);
  });
}
