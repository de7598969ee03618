import { CodedError, type ErrorFault } from '#bus-schemas/coded-error.ts';

/**
 * Why a build that the network wants is not served, and whose fault each reason is. `not_wanted`:
 * the network does not want this build here. `not_logged`: the log of the network does not contain
 * the digest. `other_weights`: the files have another digest. `too_many`, `too_much`: the limits of
 * this machine for such builds are reached. `not_added`: the engine refuses the model. `busy`:
 * another build is being fetched.
 */
const desiredErrors = {
  not_wanted: 'user',
  not_logged: 'other',
  other_weights: 'other',
  too_many: 'user',
  too_much: 'user',
  not_added: 'other',
  busy: 'dependency',
} as const satisfies Record<string, ErrorFault>;

/** The message is for the owner of the machine. */
export class DesiredError extends CodedError<keyof typeof desiredErrors> {
  override readonly fault = desiredErrors[this.code];
}
