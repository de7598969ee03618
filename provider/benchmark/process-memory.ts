import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const TIMEOUT_MS = 5_000;

/**
 * Resident memory of a process, in bytes, as `ps` reports it. Undefined if it cannot be read. Memory
 * that a GPU driver counts for itself is not included.
 */
export async function residentMemory(pid: number | undefined): Promise<number | undefined> {
  if (pid === undefined) return undefined;
  const kibibytes = await run('ps', ['-o', 'rss=', '-p', String(pid)], {
    timeout: TIMEOUT_MS,
  }).then(
    ({ stdout }) => Number(stdout.trim()),
    () => Number.NaN,
  );
  return Number.isSafeInteger(kibibytes) && kibibytes > 0 ? kibibytes * 1_024 : undefined;
}
