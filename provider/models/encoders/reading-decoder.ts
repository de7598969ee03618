import { type DecoderShape, readDecoderShape } from '../decoder-shape.ts';
import { checkFinite, findWeights, type Matrix } from '../decoder-weights.ts';
import { FieldReader } from '../field-reader.ts';
import type { JsonObject } from '../json.ts';
import type { DecoderModel } from '../model.ts';
import { ModelError } from '../model-error.ts';
import type { ModelFolder } from '../model-folder.ts';
import { readTensors, type Tensors } from '../safetensors.ts';
import { TensorReader } from '../tensor-reader.ts';
import type { EncoderCommon } from './encoder-model.ts';
import { type PoolingOf, readPooling } from './pooling.ts';
import {
  asksForPairs,
  comparesTokens,
  PROMPT,
  readScoreTokens,
  rowsOf,
  type ScoreTokens,
  wordTokens,
} from './score-tokens.ts';
import { MODULES_FILE, readModules, type SentenceModule } from './sentence-modules.ts';
import { openTextTokenizer } from './text-tokenizer.ts';

/**
 * A decoder that reads texts and writes none: it computes their embeddings, or the relevance of
 * documents. The matrix that makes the logits of all tokens is left out.
 */
export interface ReadingDecoder extends EncoderCommon {
  readonly kind: 'decoder';
  readonly decoder: DecoderModel;
  /** Of a reranker: the rows that compute the logits of a relevant and of an irrelevant document. */
  readonly scoreRows: Matrix | undefined;
}

/**
 * Most tokens of a text of a model whose tokens attend only to earlier ones. Published models of this
 * kind may read 32,768, for whose keys and values many machines have no memory.
 */
const MOST_TOKENS = 8_192;

interface Kind {
  readonly bothWays: boolean;
  readonly allowed: PoolingOf['allowed'];
  readonly usual: PoolingOf['usual'];
}

/** The decoders that may compute embeddings, by their `model_type`. */
const KINDS: Readonly<Record<string, Kind>> = {
  qwen3: { bothWays: false, allowed: ['last', 'mean'], usual: 'last' },
  gemma3_text: { bothWays: true, allowed: ['mean'], usual: 'mean' },
};

/** Whether a configuration asks for attention to later tokens, with which no answer can be written. */
export const attendsBothWays = (config: JsonObject): boolean =>
  config['use_bidirectional_attention'] === true;

export async function openReadingDecoder(
  folder: ModelFolder,
  config: JsonObject,
  isNamedReranker = false,
): Promise<Omit<ReadingDecoder, 'build' | 'digest'>> {
  const kind = kindOf(config);
  const tensors = withUsualNames(await readTensors(folder));
  const shape = shapeOf(config, tensors);
  const hasModules = (await folder.names()).includes(MODULES_FILE);
  const modules = hasModules ? await readModules(folder) : undefined;
  const scoreTokens = await scoreTokensOf({ folder, modules, shape, isNamedReranker });
  const isReranker = scoreTokens !== undefined;
  const pooling = isReranker
    ? undefined
    : await readPooling(folder, { ...kind, modules, hidden: shape.hidden });
  const all = findWeights(isReranker ? shape : { ...shape, tied: true }, tensors, config);
  const weights = { ...all, lmHead: all.embedding };
  await using reader = new TensorReader();
  await checkFinite(weights, reader);
  const weightBytes = tensors.values().reduce((sum, { bytes }) => sum + bytes, 0);
  const projections = pooling?.projections ?? [];
  return {
    kind: 'decoder',
    task: isReranker ? 'rerank' : 'embeddings',
    decoder: { shape, weights, weightBytes },
    scoreRows: scoreTokens && rowsOf(all.lmHead, scoreTokens),
    weightBytes: projections.reduce((sum, { matrix }) => sum + bytesIn32Bits(matrix), weightBytes),
    contextTokens: await contextOf(folder, shape),
    dimensions: projections.at(-1)?.matrix.out ?? shape.hidden,
    tokenizer: openTextTokenizer(
      await folder.json('tokenizer.json'),
      shape.vocabulary,
      isReranker ? PROMPT : undefined,
    ),
    pooling,
  };
}

/** The tokens that a reranker compares; undefined for a model that computes embeddings. */
async function scoreTokensOf({
  folder,
  modules,
  shape: { vocabulary },
  isNamedReranker,
}: {
  readonly folder: ModelFolder;
  readonly modules: readonly SentenceModule[] | undefined;
  readonly shape: DecoderShape;
  readonly isNamedReranker: boolean;
}): Promise<ScoreTokens | undefined> {
  if (modules !== undefined)
    return comparesTokens(modules) ? readScoreTokens(folder, modules, vocabulary) : undefined;
  return isNamedReranker || (await asksForPairs(folder))
    ? wordTokens(await folder.json('tokenizer.json'), vocabulary)
    : undefined;
}

/**
 * Gemma was trained with a factor of embeddings in the precision of its weights. It is rounded to 16
 * bits for all others but those of 32 bits, as EmbeddingGemma is published.
 */
function shapeOf(config: JsonObject, tensors: Tensors): DecoderShape {
  const shape = { ...readDecoderShape(config), returnsStates: true };
  const isScaled = shape.embeddingScale !== 1;
  const isExact = tensors.get('model.embed_tokens.weight')?.type === 'F32';
  return isScaled && isExact ? { ...shape, embeddingScale: Math.sqrt(shape.hidden) } : shape;
}

function kindOf(config: JsonObject): Kind {
  const type = String(config['model_type']).slice(0, 64);
  const kind = Object.hasOwn(KINDS, type) ? KINDS[type] : undefined;
  if (kind === undefined)
    throw new ModelError(
      'unsupported_architecture',
      `a model for embeddings of model_type ${JSON.stringify(type)} is not supported; supported are bert, ${Object.keys(KINDS).join(', ')}`,
    );
  if (attendsBothWays(config) !== kind.bothWays || config['is_causal'] === false)
    throw new ModelError(
      'unsupported_architecture',
      `an embedding model of model_type ${JSON.stringify(type)} with attention in ${kind.bothWays ? 'one direction' : 'both directions'} is not supported`,
    );
  return kind;
}

async function contextOf(
  folder: ModelFolder,
  shape: { contextTokens: number; attendsBothWays: boolean },
): Promise<number> {
  const name = 'sentence_bert_config.json';
  const limits = new FieldReader((await folder.jsonIfAny(name)) ?? {}, name);
  const { contextTokens } = shape;
  const trained = limits.integer('max_seq_length', { min: 4, max: 1 << 30, or: contextTokens });
  return Math.min(trained, contextTokens, MOST_TOKENS);
}

/** Some files have the names of the decoder alone, without the `model.` of a decoder with a head. */
function withUsualNames(tensors: Tensors): Tensors {
  if (!tensors.has('embed_tokens.weight')) return tensors;
  return new Map(tensors.entries().map(([name, tensor]) => [`model.${name}`, tensor]));
}

const bytesIn32Bits = ({ out, in: width }: Matrix): number =>
  Float32Array.BYTES_PER_ELEMENT * out * width;
