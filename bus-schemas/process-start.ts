import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * Index of the start time among the fields of /proc/PID/stat that follow the process name. The name
 * is in parentheses and may contain spaces.
 */
const START_FIELD = 19;

/**
 * Returns the start time of a process as text that is only compared, or undefined if the process
 * has ended or its start time cannot be read.
 */
export function processStart(pid: number): string | undefined {
  try {
    if (process.platform === 'linux') {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[START_FIELD];
    }
    return (
      execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim() || undefined
    );
  } catch {
    // The process has ended, or neither /proc nor ps works here: callers then compare only process
    // ids.
    return undefined;
  }
}
