import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Place of the start time in /proc/PID/stat, counted after the name in brackets, which may hold spaces. */
const START_FIELD = 19;

/** When a process started, as text that is only compared. Undefined for a process that is gone or cannot be asked about. */
export function processStart(pid: number): string | undefined {
  try {
    if (process.platform === 'linux') {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[START_FIELD];
    }
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim() || undefined;
  } catch {
    // Gone, or neither /proc nor ps can be read here: the caller then goes by the process id alone.
    return undefined;
  }
}
