import type { DecoderShape } from '../decoder-shape.ts';
import type { FieldReader } from '../field-reader.ts';

/** The fields of a `config.json`. */
export interface DecoderConfig {
  /** The fields of the decoder: those of `text_config` if there is one, else all. */
  readonly fields: FieldReader;
  /** The fields of the whole file. */
  readonly outer: FieldReader;
}

/**
 * A family of models: all those whose configuration is read in the same way. Their decoders share
 * one block, and a family decides which of its optional parts a decoder has.
 */
export interface Family {
  /** The values of `model_type` in the configuration of a decoder alone. */
  readonly types: readonly string[];
  /** The values of `model_type` beside a `text_config`, for models that also read images. */
  readonly nestedTypes?: readonly string[];
  /** Throws ModelError for a configuration that is malformed, or that no engine computes. */
  readonly read: (config: DecoderConfig) => Omit<DecoderShape, 'prefix'>;
}
