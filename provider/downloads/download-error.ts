import { CodedError, type ErrorFault } from '#bus-schemas/coded-error.ts';

/**
 * Why a model was not downloaded, and whose fault each reason is. `wrong_bytes`: the received bytes
 * differ from the digest that the hub states. `no_space`: the disk is too small. `unfit`: this
 * machine cannot run the model. `busy`: another process downloads the same model.
 */
const downloadErrors = {
  unreachable: 'dependency',
  not_found: 'user',
  refused: 'other',
  wrong_bytes: 'other',
  no_space: 'disk',
  unfit: 'other',
  busy: 'dependency',
} as const satisfies Record<string, ErrorFault>;

/** The message is for the owner of the machine. */
export class DownloadError extends CodedError<keyof typeof downloadErrors> {
  override readonly fault = downloadErrors[this.code];
}
