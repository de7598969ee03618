import { readdirSync, readFileSync } from 'node:fs';
import { processesOf } from './process-figures.ts';

/** The parts of a network that `dinf up` runs, by process. */
export const PARTS = ['coordinator', 'hub', 'Postgres', 'providers', 'leaves'] as const;
export type Part = (typeof PARTS)[number];

const NANOSECONDS = 1_000_000;
const TICK_MS = 10;

/** Processor time that each part of the network has used so far, in milliseconds. */
export function processorMsByPart(up: number): Record<Part, number> {
  const used = Object.fromEntries(PARTS.map((part) => [part, 0])) as Record<Part, number>;
  for (const { pid, parent, name } of processesOf(up))
    used[partOf({ pid, parent, name }, up)] += processorMs(pid);
  return used;
}

function partOf(process: { pid: number; parent: number; name: string }, up: number): Part {
  if (process.pid === up) return 'coordinator';
  if (process.name === 'postgres') return 'Postgres';
  if (process.name !== 'nats-server') return 'providers';
  return process.parent === up ? 'hub' : 'leaves';
}

/**
 * Processor time of the threads of a process, and of its children that have ended, such as a
 * connection of Postgres. Linux counts the former in nanoseconds and the latter in ticks.
 */
function processorMs(pid: number): number {
  try {
    const threads = readdirSync(`/proc/${pid}/task`).map((thread) =>
      Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]),
    );
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(') ') + 2).split(' ');
    const ended = (Number(fields[13]) + Number(fields[14])) * TICK_MS;
    return threads.reduce((sum, nanoseconds) => sum + nanoseconds / NANOSECONDS, ended);
  } catch {
    // The process or one of its threads ended after it was listed.
    return 0;
  }
}
