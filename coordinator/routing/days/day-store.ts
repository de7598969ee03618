import { join } from 'node:path';
import type { Pool } from 'pg';
import { type GateName, gates, type MessageOf, services } from '#bus-schemas';
import { checkerOf } from '#bus-schemas/platform.ts';
import { Type } from '#bus-schemas/type.ts';
import { loadStatements, query } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import { HOUR_MS, HOURS, type MachineHour } from '../core/machine-hours.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), ['put-days', 'delete-days']);
const READ = namedStatement<{ provider: string; hours: unknown }>('routing.read-days')`
  SELECT provider, hours FROM machine_days WHERE provider = ANY(${'providers'})`;

const READ_PAGE = namedStatement<{ provider: string; hours: unknown; memoryMb: number | null }>(
  'routing.read-page-of-days',
)`
  SELECT d.provider, d.hours, r.memory_mb AS "memoryMb"
  FROM machine_days d LEFT JOIN machine_records r USING (provider)
  WHERE d.provider > ${'after'} ORDER BY d.provider LIMIT ${'limit'}`;

const minutes = Type.Integer({ minimum: 0, maximum: 255 });
/** An hour as it is stored: its number since 1970, three numbers of minutes, and the gate. */
const storedHour = Type.Tuple([
  Type.Integer({ minimum: 0, maximum: 1e7 }),
  minutes,
  minutes,
  minutes,
  Type.Union([Type.String({ maxLength: 32 }), Type.Null()]),
]);
const isDay = checkerOf(Type.Array(storedHour, { maxItems: HOURS }));

/** Writes the days of machines in one statement. */
export async function putDays(
  database: Pool,
  days: ReadonlyMap<string, readonly MachineHour[]>,
): Promise<void> {
  const rows = [...days].map(([provider, hours]) => ({ provider, hours: hours.map(storedForm) }));
  await query(database, sql['put-days'], [JSON.stringify(rows)]);
}

/** The days of these machines, as far as they are stored in a known form. */
export async function readDays(
  database: Pool,
  providers: readonly string[],
): Promise<Map<string, MachineHour[]>> {
  const rows = await queryNamed(database, READ, { providers });
  return new Map(rows.map(({ provider, hours }) => [provider, hoursFrom(hours)]));
}

/** A page of the days of all machines, with the memory that they reported last. */
export async function readyHours(
  database: Pool,
  after: string,
): Promise<MessageOf<typeof services.routing.readyHours.reply>> {
  const rows = await queryNamed(database, READ_PAGE, {
    after,
    limit: services.MAX_READY_MACHINES,
  });
  return {
    machines: rows.map(({ provider, hours, memoryMb }) => ({
      provider,
      ...(memoryMb !== null && { memoryMb }),
      hours: hoursFrom(hours).map(({ at, servingMinutes, idleMinutes }) => ({
        at,
        servingMinutes,
        idleMinutes,
      })),
    })),
  };
}

/** Deletes at most `limit` days of machines that are gone. */
export const deleteDays = (database: Pool, limit: number): Promise<unknown> =>
  query(database, sql['delete-days'], [limit]);

const storedForm = ({ at, servingMinutes, idleMinutes, blockedMinutes, gate }: MachineHour) => [
  at / HOUR_MS,
  servingMinutes,
  idleMinutes,
  blockedMinutes,
  gate ?? null,
];

function hoursFrom(stored: unknown): MachineHour[] {
  if (!isDay.Check(stored)) return [];
  return stored.map(([hour, servingMinutes, idleMinutes, blockedMinutes, gate]) => ({
    at: hour * HOUR_MS,
    servingMinutes,
    idleMinutes,
    blockedMinutes,
    // A gate of another release has no text here.
    ...(isGate(gate) && { gate }),
  }));
}

const isGate = (name: string | null): name is GateName =>
  name !== null && Object.hasOwn(gates, name);
