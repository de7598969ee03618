import { type EncoderModel, openEncoder } from './encoders/encoder-model.ts';
import { holdsEncoder } from './encoders/holds-encoder.ts';
import { findModel } from './find-model.ts';
import { type Model, openModel } from './model.ts';
import { ModelFolder } from './model-folder.ts';

/** A model that writes answers, or one for embeddings or reranking. */
export type OpenedModel =
  | { readonly kind: 'writer'; readonly model: Model }
  | { readonly kind: 'encoder'; readonly model: EncoderModel };

/**
 * Opens the model of a folder, or of a name in Hugging Face's cache. `rerankers` are the names of those
 * that their owner calls rerankers of the kind of Qwen3-Reranker. Throws ModelError.
 */
export async function openServedModel(
  name: string,
  rerankers: readonly string[],
): Promise<OpenedModel> {
  const { path, build } = await findModel(name);
  const folder = await ModelFolder.open(path);
  const isReranker = rerankers.includes(name) || rerankers.includes(build);
  if (isReranker || (await holdsEncoder(folder)))
    return { kind: 'encoder', model: await openEncoder(folder, build, { isReranker }) };
  return { kind: 'writer', model: await openModel(folder, build) };
}

/**
 * Whether a model that writes answers may be a reranker whose folder does not show it: conversions of the
 * first files of Qwen3-Reranker are those of a chat model, except for their name.
 */
export const isNamedReranker = ({ kind, model: { build } }: OpenedModel): boolean =>
  kind === 'writer' && /rerank/i.test(build);
