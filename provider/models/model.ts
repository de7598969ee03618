import { basename } from 'node:path';
import type { Trait } from '#bus-schemas';
import type { NamedFormat } from '../answers/format.ts';
import { formatOf } from '../answers/formats.ts';
import type { AssistantModel } from './assistant-model.ts';
import { ChatTemplate, type PromptWriter, templateIn } from './chat-template.ts';
import { type DecoderShape, readDecoderShape } from './decoder-shape.ts';
import { checkFinite, type DecoderWeights, findWeights } from './decoder-weights.ts';
import { asStored } from './delta-weights.ts';
import { FieldReader } from './field-reader.ts';
import { findHead } from './head-weights.ts';
import type { JsonObject } from './json.ts';
import { ModelError } from './model-error.ts';
import { ModelFolder } from './model-folder.ts';
import { readTensors, type Tensors } from './safetensors.ts';
import { TensorReader } from './tensor-reader.ts';
import { Tokenizer } from './tokenizer.ts';
import { ImageMarks } from './vision/image-marks.ts';
import { openVision, type VisionModel } from './vision/vision-model.ts';
import { weightsDigest } from './weights-digest.ts';

/**
 * An architecture and the positions of its weights. An engine reads the weights from the disk
 * later.
 */
export interface DecoderModel {
  readonly shape: DecoderShape;
  readonly weights: DecoderWeights;
  readonly weightBytes: number;
  /** Undefined for a model that reads only text. */
  readonly vision?: VisionModel;
  /** Drafts the answers of this model from what it computed. */
  readonly assistant?: AssistantModel;
}

/** A model whose folder has been read and checked. */
export interface Model extends DecoderModel {
  readonly build: string;
  /** SHA-256 over the model's files, as `weightsDigest` computes it. */
  readonly digest: Uint8Array;
  readonly tokenizer: Tokenizer;
  readonly template: PromptWriter;
  /** Set if the model has a vision tower. */
  readonly imageMarks?: ImageMarks;
  /** Tokens that end an answer. There is at least one. */
  readonly endTokens: ReadonlySet<number>;
  readonly traits: readonly Trait[];
  readonly format: NamedFormat;
  /** A smaller model with the same tokens, which drafts the answers of this one. */
  readonly drafter?: DecoderModel;
  /**
   * Sampling settings from `generation_config.json`, under the names of the API. They apply where a
   * request has no setting of its own.
   */
  readonly defaults: Readonly<Record<string, number>>;
}

/** Throws ModelError if the folder holds no model, or one that cannot be served correctly. */
export async function openModel(path: string | ModelFolder, name?: string): Promise<Model> {
  const folder = await ModelFolder.open(path);
  const build = name ?? basename(typeof path === 'string' ? path : path.path);
  const config = await folder.json('config.json');
  const decoder = await openDecoder(folder, config);
  const about = (await folder.jsonIfAny('tokenizer_config.json')) ?? {};
  const tokenizer = Tokenizer.read({
    json: await folder.json('tokenizer.json'),
    config: about,
    vocabularySize: decoder.shape.vocabulary,
  });
  const text = (await folder.textIfAny('chat_template.jinja')) ?? templateIn(about);
  if (text === undefined)
    throw new ModelError(
      'missing_file',
      'neither chat_template.jinja nor tokenizer_config.json contains a chat template',
    );
  const format = formatOf({
    template: text,
    has: (token) => tokenizer.idOf(token) !== undefined,
  });
  const { vision } = decoder;
  const imageMarks = vision && ImageMarks.read(config, tokenizer, vision.shape.family);
  const template =
    format.promptWriter?.(() => new Date().toISOString().slice(0, 10)) ??
    new ChatTemplate({
      text,
      config: about,
      format,
      signs: tokenizer.signs,
      readsImages: vision !== undefined,
    });
  // A template that writes tokens outside of the vocabulary would make every request fail. The
  // trial below rejects such a folder when it is opened.
  tokenizer.encode(
    template.render({ messages: [{ role: 'user', content: 'Hello' }], max_tokens: 1 }),
  );
  const generation = (await folder.jsonIfAny('generation_config.json')) ?? {};
  return {
    ...decoder,
    build,
    digest: await weightsDigest(folder),
    tokenizer,
    template,
    ...(imageMarks && { imageMarks }),
    endTokens: endTokensOf({
      config,
      generation,
      tokenizer,
      about,
      names: format.endTokens ?? [],
    }),
    format,
    defaults: defaultsOf(generation),
    traits: [
      ...(format.call ? ['tools' as const] : []),
      ...(format.reasons ? ['reasoning' as const] : []),
      ...(vision ? ['vision' as const] : []),
    ],
  };
}

/** Opens only the decoder of a model. The folder needs no tokenizer and no template. */
export async function openDecoderAlone(path: string): Promise<DecoderModel> {
  const folder = await ModelFolder.open(path);
  return openDecoder(folder, await folder.json('config.json'));
}

async function openDecoder(folder: ModelFolder, config: JsonObject): Promise<DecoderModel> {
  const tensors = withMlxNames(await readTensors(folder));
  const described = asStored(readDecoderShape(config), tensors);
  const { shape, head } = findHead(described, tensors, config);
  if (shape.attendsBothWays)
    throw new ModelError(
      'unsupported_architecture',
      'use_bidirectional_attention is supported for embeddings alone, because an answer is computed token by token',
    );
  const weights = { ...findWeights(shape, tensors, config), ...(head && { head }) };
  await using reader = new TensorReader();
  await checkFinite(weights, reader);
  const vision = await openVision(folder, { config, tensors, decoder: shape });
  return {
    shape,
    weights,
    weightBytes: tensors.values().reduce((sum, { bytes }) => sum + bytes, 0),
    ...(vision && { vision }),
  };
}

const PUBLISHED = 'model.language_model.';
/** The parts of a vision tower, whose names have `model.` before them in such a file. */
const VISION_PARTS = /^model\.(?=vision_tower\.|multi_modal_projector\.|embed_vision\.)/;
/** The tower of Qwen in such a file. */
const QWEN_TOWER = /^model\.visual\./;

/**
 * Names the tensors of a model that also reads images as mlx-lm does, if they have the names that
 * transformers gives them.
 */
function withMlxNames(tensors: Tensors): Tensors {
  if (!tensors.keys().some((name) => name.startsWith(PUBLISHED))) return tensors;
  const renamed = (name: string) =>
    name.startsWith(PUBLISHED)
      ? `language_model.model.${name.slice(PUBLISHED.length)}`
      : name
          .replace(/^lm_head\./, 'language_model.lm_head.')
          .replace(VISION_PARTS, '')
          .replace(QWEN_TOWER, 'vision_tower.');
  return new Map(tensors.entries().map(([name, tensor]) => [renamed(name), tensor]));
}

interface EndSources {
  readonly config: JsonObject;
  readonly generation: JsonObject;
  readonly tokenizer: Tokenizer;
  readonly about: JsonObject;
  /** Names of further tokens that end an answer. */
  readonly names: readonly string[];
}

function endTokensOf({ config, generation, tokenizer, about, names }: EndSources): Set<number> {
  const isId = (item: unknown): item is number => Number.isSafeInteger(item);
  const read = (fields: JsonObject, file: string): number[] => {
    const value = fields['eos_token_id'];
    return (
      new FieldReader(
        { ids: value === undefined || Array.isArray(value) ? value : [value] },
        file,
      ).list('ids', isId, 64) ?? []
    );
  };
  const named =
    typeof about['eos_token'] === 'string' ? tokenizer.idOf(about['eos_token']) : undefined;
  const ids = new Set([
    ...read(config, 'config.json.eos_token_id'),
    ...read(generation, 'generation_config.json.eos_token_id'),
    ...(named === undefined ? [] : [named]),
    ...names.map((name) => tokenizer.idOf(name)).filter((id) => id !== undefined),
  ]);
  // The grammar library uses end tokens as indices into the vocabulary without checking them: an id
  // outside of the vocabulary would make it access memory out of bounds.
  const known = new Set([...ids].filter((id) => tokenizer.has(id)));
  if (known.size === 0)
    throw new ModelError(
      'malformed_config',
      'no file of the model defines a token that ends an answer',
    );
  return known;
}

const DEFAULTS = { temperature: 2, top_p: 1, top_k: 1_000_000, min_p: 1, repetition_penalty: 10 };

function defaultsOf(generation: JsonObject): Record<string, number> {
  const fields = new FieldReader(generation, 'generation_config.json');
  if (!fields.flag('do_sample', true)) return { temperature: 0 };
  const settings = Object.entries(DEFAULTS).map(
    ([name, max]) => [name, fields.number(name, { max, or: undefined })] as const,
  );
  return Object.fromEntries(
    settings.filter((entry): entry is readonly [string, number] => entry[1] !== undefined),
  );
}
