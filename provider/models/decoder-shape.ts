import { familyOf } from './families/families.ts';
import { FieldReader } from './field-reader.ts';
import type { Rope } from './rope.ts';

export interface LayerShape {
  /** Set if the layer has Gated DeltaNet in place of attention. */
  readonly delta?: DeltaShape;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Index of the earlier layer whose keys and values this layer reads in place of its own. */
  readonly keysOf?: number;
  /** True if the projection of keys is used for values too, before keys are normalised and rotated. */
  readonly keysAreValues?: boolean;
  /** Index into the shape's `ropes` of the one that rotates queries and keys. */
  readonly rope: number;
  /** Number of tokens that a query attends to, its own included; 0 means all of them. */
  readonly window: number;
  readonly mlp: { readonly kind: 'dense'; readonly width: number } | Experts;
  /** Experts whose output is added to that of the dense MLP. Both have norms of their own. */
  readonly expertsBeside?: Experts;
}

/**
 * The size of a layer of Gated DeltaNet. It has a state in place of keys and values: one matrix of
 * `keyDim` rows and `valueDim` columns for each value head, and the last inputs of a convolution.
 * Adjacent value heads share a key head.
 */
export interface DeltaShape {
  readonly keyHeads: number;
  readonly valueHeads: number;
  readonly keyDim: number;
  readonly valueDim: number;
  /** Number of tokens whose queries, keys and values the convolution adds up, the last one included. */
  readonly convolution: number;
}

/** Number of queries, keys and values of a token in a layer of Gated DeltaNet, before its heads share keys. */
export const deltaChannels = ({ keyHeads, valueHeads, keyDim, valueDim }: DeltaShape): number =>
  2 * keyHeads * keyDim + valueHeads * valueDim;

/**
 * Embeddings for each layer. The one of a token and a layer is the sum of a part that is looked up
 * and of one that is projected from the hidden state before the first layer.
 */
export interface PerLayerShape {
  /** Size of the embedding of one layer. */
  readonly width: number;
  readonly embeddingScale: number;
  readonly projectionScale: number;
}

export interface Experts {
  readonly kind: 'experts';
  /** The names and formats of the tensors of the experts. */
  readonly layout: 'switch_mlp' | 'gpt_oss';
  readonly width: number;
  readonly experts: number;
  readonly perToken: number;
  /** True if the share of an expert is the sigmoid of its score; otherwise shares are a softmax. */
  readonly usesSigmoid: boolean;
  /** True if the shares of the chosen experts are scaled to sum to one. */
  readonly normalised: boolean;
  /** Factor of all shares after that. */
  readonly shareScale: number;
  /**
   * Set if a token uses only experts of some groups: those whose two best experts are together the
   * best ones. Adjacent experts form a group.
   */
  readonly groups?: { readonly count: number; readonly chosen: number };
  /** A further expert, which every token uses. */
  readonly shared?: {
    readonly width: number;
    /** True if its share is the sigmoid of a score; otherwise it is one. */
    readonly isGated: boolean;
  };
}

/** The names of a layer's norms in the file. One that a family does not have is missing. */
export interface NormNames {
  readonly attentionInput?: string;
  readonly attentionOutput?: string;
  readonly mlpInput?: string;
  readonly mlpOutput?: string;
}

/**
 * Everything about a decoder but its weights. All families share one block, and differ in which of
 * its optional parts they have.
 */
export interface DecoderShape {
  readonly vocabulary: number;
  readonly hidden: number;
  readonly heads: number;
  /** The size of the largest heads. */
  readonly headDim: number;
  readonly contextTokens: number;
  readonly normEps: number;
  /** True if norms multiply by one plus their weight. */
  readonly normPlusOne: boolean;
  readonly norms: NormNames;
  /** Whether each head of queries and keys is normalised, or all heads of a token at once. */
  readonly qkNorm: 'none' | 'heads' | 'projections';
  /** True if the values of each head are normalised, without a weight. */
  readonly valueNorm: boolean;
  readonly activation: 'silu' | 'gelu_tanh' | 'clamped_silu';
  /**
   * The bound of the clamped activation: gate = min(g, limit), up = clamp(u, ±limit), and the result
   * is gate · sigmoid(1.702 · gate) · (up + 1). 0 for the other activations.
   */
  readonly activationLimit: number;
  /** True if each head has a score of its own, the sink, that takes a share of its attention. */
  readonly attentionSinks: boolean;
  /** True if the projections of attention, the router and the experts must have biases. */
  readonly requiresBiases: boolean;
  /** The matrices that the file holds as one: the rows of each of them follow one another. */
  readonly fused: readonly ('qkv' | 'gateUp')[];
  readonly embeddingScale: number;
  readonly attentionScale: number;
  /** True if the query projection also computes a gate, whose sigmoid scales the output of attention. */
  readonly gatedAttention: boolean;
  /** Factor of the logits. */
  readonly outputScale: number;
  /** Cap on the absolute value of a logit; 0 means no cap. */
  readonly logitSoftcap: number;
  readonly tied: boolean;
  /**
   * True if tokens attend to later ones too, and a window reaches as far to them as to earlier ones.
   * The last token that one attends to is in each step.
   */
  readonly attendsBothWays: boolean;
  /**
   * True if layers without a window attend to no later tokens, also within an image whose tokens attend
   * to one another in the other layers.
   */
  readonly globalIsCausal: boolean;
  /** True if a step returns normalised hidden states in place of logits, as embeddings need them. */
  readonly returnsStates: boolean;
  /** Number of the first layers after which a token of an image gets numbers that its tower made. */
  readonly imageLayers: number;
  readonly ropes: readonly Rope[];
  /** Set if each layer has an embedding of the token of its own, beside the hidden state. */
  readonly perLayer?: PerLayerShape;
  readonly layers: readonly LayerShape[];
  /** The layer of the draft head. Undefined if the model was trained without one, or its files have none. */
  readonly head?: LayerShape;
  /** The text before `model.` in the names of the weights, for example `language_model.`. */
  readonly prefix: string;
}

/**
 * Reads `config.json`. Throws ModelError for anything that is not supported, because a model that
 * computes wrong answers is worse than one that is not served.
 */
export function readDecoderShape(config: Record<string, unknown>): DecoderShape {
  const outer = new FieldReader(config, 'config.json');
  const nested = outer.object('text_config');
  const family = familyOf(config['model_type'], nested);
  return {
    ...family.read({ fields: nested ?? outer, outer }),
    prefix: nested === undefined ? '' : 'language_model.',
  };
}
