import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import type { Config } from '#coordinator/config.ts';

export function refuseWithoutDatabase({ databaseUrl }: Config): void {
  if (databaseUrl !== '') return;
  throw new CommandError(
    EXIT.usage,
    'DATABASE_URL is not set, and no network runs out of this home.',
  );
}

/** Turns an error about the connection to the database into advice for the operator. */
export async function explainDatabase(cause: unknown): Promise<never> {
  const { DatabaseRefused } = await import('#coordinator/database/errors.ts');
  throw cause instanceof DatabaseRefused
    ? new CommandError(EXIT.usage, `DATABASE_URL: ${cause.message}.`, { cause })
    : cause;
}
