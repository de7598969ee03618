import { readdirSync, readFileSync } from 'node:fs';
import { processesOf } from '../../bench/process-figures.ts';

/** What one process, or all processes of Postgres together, hold. */
export interface ProcessSample {
  /** Memory that is resident, shared pages divided among those who share them, in MiB. */
  readonly pssMiB: number;
  /** The part of it that is no shared memory of a fixed size, as Postgres has for its pages. */
  readonly ownMiB: number;
  readonly files: number;
  /** Number of processes: Postgres has one for each connection. */
  readonly count: number;
}

const MiB_KB = 1_024;

/** Samples the process and its descendants, by a name for each. */
export function sampleProcesses(root: number): Record<string, ProcessSample> {
  const samples: Record<string, ProcessSample> = {};
  for (const { pid } of processesOf(root)) {
    const name = nameOf(pid);
    const sample = name === undefined ? undefined : sampleOf(pid);
    if (name === undefined || sample === undefined) continue;
    const before = samples[name] ?? { pssMiB: 0, ownMiB: 0, files: 0, count: 0 };
    samples[name] = {
      pssMiB: before.pssMiB + sample.pssMiB,
      ownMiB: before.ownMiB + sample.ownMiB,
      files: before.files + sample.files,
      count: before.count + 1,
    };
  }
  return samples;
}

/** The ids of the Node processes of the program, by name. */
export const nodeProcesses = (root: number): [name: string, pid: number][] =>
  processesOf(root).flatMap(({ pid }) => {
    const name = nameOf(pid);
    return name === 'coordinator' || name === 'machines' ? [[name, pid]] : [];
  });

/** The name of a part by its command line; undefined for helpers that live for a moment. */
function nameOf(pid: number): string | undefined {
  const line = textOf(`/proc/${pid}/cmdline`).replaceAll('\0', ' ');
  if (/^\S*\/bin\/postgres |^postgres: /.test(line)) return 'Postgres';
  if (/nats-server .*\/hub\//.test(line)) return 'hub';
  if (/nats-server .*leaf/.test(line)) return 'leaf';
  if (/dinf\.ts simulate /.test(line)) return 'machines';
  if (/dinf\.ts up /.test(line)) return 'coordinator';
  return undefined;
}

function sampleOf(pid: number): ProcessSample | undefined {
  const memory = textOf(`/proc/${pid}/smaps_rollup`);
  const field = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(memory)?.[1] ?? 0) / MiB_KB;
  if (memory === '') return undefined;
  return {
    pssMiB: field('Pss'),
    ownMiB: field('Pss') - field('Pss_Shmem'),
    files: filesOf(pid),
    count: 1,
  };
}

function filesOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    // The process ended after it was listed.
    return 0;
  }
}

/** Empty if the file cannot be read, because the process has ended. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
