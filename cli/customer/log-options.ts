import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { coordinatorUrl } from '#bus-schemas/running-network.ts';

/** Options of the commands that check the log of a network. */
export interface LogOptions {
  readonly coordinator: string;
  readonly logKey?: string;
}

const ALARMS = ['log_forked', 'log_key_changed', 'log_stale'];
export const COORDINATOR = [
  '--coordinator <url>',
  'the network',
  coordinatorUrl(process.env),
] as const;
export const LOG_KEY = [
  '--log-key <hex>',
  'the key of its log; the first that is seen is kept where none is given',
] as const;

/** Turns an error of the client library into one with an exit code; a fault of the log is an alarm. */
export async function explainSealedError(error: unknown): Promise<never> {
  const { SealedError } = await import('#client');
  if (!(error instanceof SealedError) || !ALARMS.includes(error.code)) throw error;
  throw new CommandError(
    EXIT.failure,
    `ALARM: ${error.message} Do not send anything to this network before you know why.`,
    { cause: error },
  );
}
