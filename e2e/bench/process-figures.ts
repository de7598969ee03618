import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessFigures {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  readonly megabytes: number;
}

/** Returns a process and its descendants; empty on systems without /proc. */
export function processesOf(root: number): ProcessFigures[] {
  const all = readProcesses();
  const family = new Set([root]);
  // A parent may be listed after its child, so repeat until a pass finds no new process.
  for (let before = 0; before !== family.size; ) {
    before = family.size;
    for (const { pid, parent } of all) if (family.has(parent)) family.add(pid);
  }
  return all.filter(({ pid }) => family.has(pid));
}

function readProcesses(): ProcessFigures[] {
  let entries: string[];
  try {
    entries = readdirSync('/proc');
  } catch {
    return [];
  }
  return entries
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => readProcess(Number(entry)));
}

function readProcess(pid: number): ProcessFigures[] {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const field = (name: string) => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(status)?.[1] ?? '';
    return [
      {
        pid,
        parent: Number(field('PPid')),
        name: field('Name'),
        megabytes: Number.parseInt(field('VmRSS') || '0', 10) / 1_024,
      },
    ];
  } catch {
    // The process ended after it was listed.
    return [];
  }
}

/** The resident memory of a process and its descendants, by their names, as a text. */
export function memoryOf(root: number): string {
  const byName = Map.groupBy(processesOf(root), ({ name }) => name);
  const parts = [...byName].map(([name, group]) => {
    const all = group.reduce((sum, { megabytes }) => sum + megabytes, 0);
    return `${name}${group.length > 1 ? ` ×${group.length}` : ''} ${all.toFixed(0)}`;
  });
  return `(resident MB): ${parts.join(', ')}`;
}

const TICKS_PER_SECOND = 100;

/** Returns the processor time of a process and its descendants that run now, in seconds. */
export const cpuSecondsOfAll = (root: number): number =>
  processesOf(root).reduce((sum, { pid }) => sum + cpuSeconds(pid), 0);

/** Returns user plus system time of a process in seconds; NaN on systems without /proc. */
export function cpuSeconds(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return Number.NaN;
  }
}
