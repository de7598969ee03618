import { CodedError } from '#bus-schemas/coded-error.ts';

/**
 * The reasons why a model cannot be served. The error's `detail` names the file or the field, and
 * is shown to the owner of the machine.
 */
type ModelFault =
  | 'missing_file'
  | 'folder_exists'
  | 'too_large'
  | 'too_many'
  | 'file_too_large'
  | 'outside_folder'
  | 'malformed_config'
  | 'unsupported_architecture'
  | 'malformed_gguf'
  | 'malformed_weights'
  | 'missing_weight'
  | 'wrong_shape'
  | 'not_finite'
  | 'malformed_tokenizer'
  | 'unsupported_tokenizer'
  | 'token_outside_vocabulary'
  | 'malformed_template';

export class ModelError extends CodedError<ModelFault> {
  constructor(code: ModelFault, detail: string, options?: ErrorOptions) {
    super(code, `${code}: ${detail}`, options);
  }
}
