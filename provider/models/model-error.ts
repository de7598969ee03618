/** Why a model cannot be served. `detail` names the file or the field; it is shown to the machine's owner. */
export type ModelFault =
  | 'missing_file'
  | 'file_too_large'
  | 'outside_folder'
  | 'malformed_config'
  | 'unsupported_architecture'
  | 'malformed_weights'
  | 'missing_weight'
  | 'wrong_shape'
  | 'not_finite'
  | 'malformed_tokenizer'
  | 'token_outside_vocabulary'
  | 'malformed_template';

export class ModelError extends Error {
  readonly code: ModelFault;

  constructor(code: ModelFault, detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options);
    this.name = 'ModelError';
    this.code = code;
  }
}
