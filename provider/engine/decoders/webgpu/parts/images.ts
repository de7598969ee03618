import type { DecoderBuild } from '../decoder-build.ts';
import { giveNumbers } from '../kernels/images.ts';
import { THREADS } from '../kernels/wgsl.ts';

/** Writes the embeddings of the tokens of images in place of those of the tokens. */
export const addImages = (build: DecoderBuild): Promise<void> => addPart(build, 0);

/** Adds to the tokens of images what they get after a layer, if it is one of the first. */
export async function addImagesAfter(build: DecoderBuild, layer: number): Promise<void> {
  if (layer < build.shape.imageLayers) await addPart(build, 1 + layer);
}

/** A step without images has no such dispatch, and neither has a model that reads only text. */
async function addPart(build: DecoderBuild, part: number): Promise<void> {
  if (!build.readsImages) return;
  const { hidden, imageLayers } = build.shape;
  const { state, imageTokens, imageEmbeddings } = build.scratch;
  await build.run(
    giveNumbers({ hidden, parts: 1 + imageLayers, part }),
    [state, imageTokens, imageEmbeddings],
    (counts) => [Math.ceil(hidden / 4 / THREADS), counts.imageTokens],
  );
}
