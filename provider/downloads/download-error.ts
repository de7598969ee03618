import { CodedError } from '#bus-schemas/coded-error.ts';

/**
 * Why a model was not downloaded. `wrong_bytes`: what arrived differs from the digest that the hub
 * states. `no_space`: the disk is too small. `unfit`: this machine cannot run the model.
 */
type DownloadFault =
  | 'unreachable'
  | 'not_found'
  | 'refused'
  | 'wrong_bytes'
  | 'no_space'
  | 'unfit'
  | 'busy';

/** The message is for the owner of the machine. */
export class DownloadError extends CodedError<DownloadFault> {}
