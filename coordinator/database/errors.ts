import { DatabaseError } from 'pg';
import { CodedError } from '#bus-schemas/coded-error.ts';
import { type DatabaseAddresses, databaseAddresses } from './addresses.ts';

/** No server answers at the address of the database, or none that accepts these settings. */
export class DatabaseUnreachable extends CodedError<'database_unreachable'> {
  override readonly fault = 'dependency';

  constructor(url: string, cause: Error) {
    const { database, addresses } = databaseAddresses(url);
    const message = `The database ${database} at ${namesOf(addresses)} cannot be used: ${cause.message}`;
    super('database_unreachable', message, { cause });
  }
}

export const namesOf = (addresses: DatabaseAddresses['addresses']): string =>
  addresses.map(({ name }) => name).join(', ');

const REFUSALS = {
  read_only:
    'the server is read-only: it is a standby, or default_transaction_read_only is on. With several hosts in DATABASE_URL the coordinator finds the primary by itself',
  wrong_role:
    'the connection does not have the role dinf_service, because a connection pooler drops the setting. Run: ALTER ROLE <user> IN DATABASE <name> SET role = dinf_service (docs/operating/postgres.md)',
  startup_options:
    'a connection pooler refuses the startup parameter "options". With pgbouncer set ignore_startup_parameters = options (docs/operating/postgres.md)',
  prepared_statements:
    'a connection pooler does not translate prepared statements. Use pgbouncer 1.21 or later with pool_mode = transaction and max_prepared_statements above 0, or connect to Postgres directly (docs/operating/postgres.md)',
  pooler_in_between:
    'this command needs a direct connection to Postgres, and a connection pooler is in between. Name the host and port of Postgres itself in DATABASE_URL',
  migrations_pending:
    'the database does not have the schema of this version yet. Run "dinf migrate" with this version (docs/operating/upgrade.md)',
  version_too_old:
    'this version is too old for the database, because a newer version has removed parts of the schema. Start the newer version (docs/operating/upgrade.md)',
} as const;

export type DatabaseRefusal = keyof typeof REFUSALS;

/** The server answers, and the coordinator must not work with this connection. */
export class DatabaseRefused extends CodedError<DatabaseRefusal> {
  override readonly fault = 'user';

  constructor(
    code: DatabaseRefusal,
    { cause, details = [] }: { cause?: unknown; details?: readonly string[] } = {},
  ) {
    const message = REFUSALS[code];
    super(code, details.length === 0 ? message : `${message}: ${details.join(', ')}`, { cause });
  }
}

/** read_only_sql_transaction, admin_shutdown, crash_shutdown, cannot_connect_now. */
const SERVER_GONE = new Set(['25006', '57P01', '57P02', '57P03']);

/** True for the answers of a server that will not execute the next statement either. */
export function isServerGone(error: unknown): boolean {
  return error instanceof DatabaseError && SERVER_GONE.has(error.code ?? '');
}
