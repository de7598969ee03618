import type { AssistantModel, VocabularyGroups } from '../../../../models/assistant-model.ts';
import type { LayerShape } from '../../../../models/decoder-shape.ts';
import type { Matrix } from '../../../../models/decoder-weights.ts';
import type { DecoderBuild } from '../decoder-build.ts';
import type { CacheBuffer } from '../gpu-cache.ts';
import { chooseGroups, pickOfGroups } from '../kernels/groups.ts';
import { scaleState } from '../kernels/per-layer.ts';
import { joinStates, normalise, pick } from '../kernels/rows.ts';
import { THREADS } from '../kernels/wgsl.ts';
import type { Counts } from '../webgpu-decoder.ts';
import { addAttention } from './attention.ts';
import { addMlp } from './mlp.ts';

interface Outputs {
  readonly logits: GPUBuffer;
  readonly best: GPUBuffer;
  /** The keys and values of a layer of the large model. */
  readonly keysOf: (layer: number) => { readonly keys: CacheBuffer; readonly values: CacheBuffer };
}

/** Drafts with an assistant after the tokens whose embeddings are in the large model's `state`. */
export async function addAssistant(
  large: DecoderBuild,
  { shape, weights }: AssistantModel,
  { logits, best, keysOf }: Outputs,
): Promise<void> {
  const build = large.beside(shape);
  const { hidden, normEps: eps } = shape;
  const width = large.shape.hidden;
  const { joined, before, steppedStates, draftedStates } = large.scratch;
  const { state, normed, partOut, outputs } = build.scratch;
  const joinFrom = (kept: GPUBuffer, isUsed: (counts: Counts) => boolean) =>
    build.run(joinStates(width), [joined, large.scratch.state, kept, before], (counts) => [
      Math.ceil(width / THREADS),
      isUsed(counts) ? counts.tokens : 0,
    ]);
  await joinFrom(steppedStates, ({ isChained }) => !isChained);
  await joinFrom(draftedStates, ({ isChained }) => isChained);
  await build.multiply([weights.join], { from: joined, to: state, stride: hidden });
  for (const [index, layer] of weights.layers.entries()) {
    const layerShape = shape.layers[index] as LayerShape;
    await build.writeInput(layer.inputNorm);
    const cached = keysOf(layerShape.keysOf as number);
    await addAttention(build, layer, { shape: layerShape, ...cached });
    await addMlp(build, layer, layerShape);
    if (layer.scale)
      await build.run(
        scaleState({ hidden }),
        [state, await build.vector(layer.scale)],
        ({ tokens }) => [Math.ceil(hidden / THREADS), tokens],
      );
  }
  const norm = await build.norm(weights.norm);
  await build.writeNormed(partOut, state, norm);
  await build.multiply([weights.back], { from: partOut, to: draftedStates, stride: width });
  await build.run(
    normalise({ width: hidden, eps, picks: true, adds: false }),
    [normed, state, norm, outputs],
    (counts) => [counts.outputs, 1],
  );
  if (weights.groups) return addChoiceOfGroups(build, weights.groups, { ...weights, logits, best });
  const { vocabulary } = shape;
  const product = { from: normed, to: logits, stride: vocabulary, counted: 'outputs' as const };
  await build.multiply([weights.lmHead], product);
  await build.run(pick({ vocabulary, softcap: 0 }), [logits, best], (counts) => [
    counts.outputs,
    1,
  ]);
}

/** Finds the most likely token of the best groups, for the states in `normed`. */
async function addChoiceOfGroups(
  build: DecoderBuild,
  { scores: matrix, chosen, tokens }: VocabularyGroups,
  { lmHead, logits, best }: { lmHead: Matrix; logits: GPUBuffer; best: GPUBuffer },
): Promise<void> {
  const { count, out: size } = lmHead;
  const { normed } = build.scratch;
  const groups = { count, chosen, size };
  const [scores, picked] = [build.numbers(count), build.numbers(chosen)];
  const order = await build.upload.vector(tokens);
  const ofOutputs = (counts: Counts): [number, number] => [counts.outputs, 1];
  await build.multiply([matrix], { from: normed, to: scores, stride: count, counted: 'outputs' });
  await build.run(chooseGroups(groups), [scores, picked], ofOutputs);
  const parts = await build.upload.matrices([lmHead]);
  const product = { from: normed, to: logits };
  // Groups can be chosen only within one buffer. A device with smaller ones computes all of them.
  const hasAll = parts.length > 1;
  await build.dispatches.multiply(
    parts,
    hasAll
      ? { ...product, stride: count * size, counted: 'outputs' }
      : {
          ...{ ...product, stride: size, counted: 'slots', chosen: picked },
          experts: { rows: size, shared: chosen },
        },
  );
  await build.run(pickOfGroups(groups, hasAll), [logits, picked, order, best], ofOutputs);
}
