import { CodedError, type ErrorFault } from '#bus-schemas/coded-error.ts';

/**
 * Why the program was not updated, and whose fault each reason is. `not_ours`: another program
 * manager installed it. `unsafe_archive`: the package would write outside its folder, or brings
 * dependencies of its own. `unknown_release`: the log of the network does not contain its code.
 * `older`: the network offers an older version. `unreadable`: the network's answer cannot be read.
 * `does_not_start`: the new version cannot be started. `not_healthy`: it started and did not serve,
 * so the old version runs again. `busy`: another update runs.
 */
const updateErrors = {
  not_ours: 'user',
  no_offer: 'user',
  unsafe_archive: 'other',
  unknown_release: 'other',
  older: 'user',
  unreadable: 'other',
  does_not_start: 'other',
  not_healthy: 'other',
  busy: 'dependency',
} as const satisfies Record<string, ErrorFault>;

/** The message is for the owner of the machine. */
export class UpdateError extends CodedError<keyof typeof updateErrors> {
  override readonly fault = updateErrors[this.code];
}
