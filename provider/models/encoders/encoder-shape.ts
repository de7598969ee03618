import type { Encoding } from '#bus-schemas';
import { FieldReader } from '../field-reader.ts';
import type { JsonObject } from '../json.ts';
import { ModelError } from '../model-error.ts';

/** The architecture of BERT: a model that reads a whole text at once, and writes none. */
export interface EncoderShape {
  readonly vocabulary: number;
  readonly hidden: number;
  readonly heads: number;
  /** Width between the two matrices of a layer's MLP. */
  readonly inner: number;
  readonly layers: number;
  readonly normEps: number;
  /** Most tokens of a text, for which the model has learnt positions. */
  readonly positions: number;
  /** Kinds of tokens; a query has kind 0 and a document kind 1. */
  readonly kinds: number;
}

/** The kinds of models of this architecture, by the class that config.json names. */
const TASKS: Readonly<Record<string, Encoding>> = {
  BertModel: 'embeddings',
  BertForSequenceClassification: 'rerank',
};

/** Whether a configuration is that of BERT. */
export const isBert = (config: JsonObject): boolean => config['model_type'] === 'bert';

/** Throws ModelError if the architecture is not exactly that of BERT. */
export function readEncoderShape(config: JsonObject): EncoderShape & { task: Encoding } {
  const fields = new FieldReader(config, 'config.json');
  const isText = (item: unknown): item is string => typeof item === 'string';
  const [architecture = ''] = fields.list('architectures', isText, 8) ?? [];
  const task = TASKS[architecture];
  if (task === undefined)
    throw new ModelError(
      'unsupported_architecture',
      `config.json.architectures names ${JSON.stringify(architecture.slice(0, 60))}; of the type bert, ${Object.keys(TASKS).join(' and ')} are supported`,
    );
  fields.text('hidden_act', ['gelu']);
  fields.text('position_embedding_type', ['absolute'], { or: 'absolute' });
  const shape = {
    task,
    vocabulary: fields.integer('vocab_size'),
    hidden: fields.integer('hidden_size', { max: 8_192 }),
    heads: fields.integer('num_attention_heads', { max: 256 }),
    inner: fields.integer('intermediate_size', { max: 65_536 }),
    layers: fields.integer('num_hidden_layers', { max: 128 }),
    normEps: fields.number('layer_norm_eps', { max: 1, or: 1e-12 }),
    positions: fields.integer('max_position_embeddings', { max: 32_768 }),
    kinds: fields.integer('type_vocab_size', { max: 16 }),
  };
  if (shape.hidden % shape.heads !== 0)
    throw new ModelError(
      'malformed_config',
      `config.json.hidden_size is not a multiple of the ${shape.heads} heads`,
    );
  return shape;
}
