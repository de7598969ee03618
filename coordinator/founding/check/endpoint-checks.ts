import { readFile } from 'node:fs/promises';
import { messageOf } from '#bus-schemas/message-of.ts';
import type { Config } from '#coordinator/config.ts';
import { pendingMigrations } from '#coordinator/migrate.ts';
import { expiryOf } from '../certificate-expiry.ts';
import { type CheckResult, certificateFinding, failed, passed, warning } from './finding.ts';

const TIMEOUT_MS = 3_000;
const SOON_DAYS = 14;

export async function checkDatabase(url: string): Promise<CheckResult[]> {
  const check = 'database';
  if (url === '')
    return [failed(check, 'DATABASE_URL is not set', 'set it to a Postgres, version 15 or later')];
  try {
    const pending = await pendingMigrations(url);
    const expand = pending.filter(({ kind }) => kind === 'expand').length;
    if (expand > 0) return [failed(check, `lacks ${expand} migrations`, 'run "dinf migrate"')];
    return [
      pending.length === 0
        ? passed(check, 'answers and has the schema of this version')
        : warning(
            check,
            'has parts of its schema that only older versions use',
            'run "dinf migrate --contract" when no older version runs',
          ),
    ];
  } catch (error) {
    return [
      failed(check, `cannot be used: ${messageOf(error)}`, 'check DATABASE_URL and the database'),
    ];
  }
}

/** The API of this machine, if it has one: whether it is ready, and how long its certificate lasts. */
export async function checkApi(
  { http, https }: Pick<Config, 'http' | 'https'>,
  now: number,
): Promise<CheckResult[]> {
  const findings: CheckResult[] = [];
  const url = `http://${http.host}:${http.port}/readyz`;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    findings.push(
      response.ok
        ? passed('API', `${url} is ready`)
        : failed('API', `${url} is not ready: ${await response.text()}`, 'see the named parts'),
    );
  } catch (error) {
    findings.push(
      warning(
        'API',
        `${url} does not answer: ${messageOf(error)}`,
        'start "dinf coordinator" here, unless the API runs on another machine',
      ),
    );
  }
  if (https !== undefined)
    findings.push(
      certificateFinding({
        check: 'certificate of the API',
        until: expiryOf(await readFile(https.certificateFile, 'utf8')),
        now,
        soonDays: SOON_DAYS,
        remedy: 'renew the file of DINF_TLS_CERT',
      }),
    );
  return findings;
}
