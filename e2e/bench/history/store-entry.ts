import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import packageJson from '../../../package.json' with { type: 'json' };
import type { BenchEntry, BenchRun } from './entry.ts';
import { FOLDER, writeHistory } from './page.ts';

const GB = 1024 ** 3;

const ROOT = join(import.meta.dirname, '../../..');

/**
 * The machine and the program of an entry, read before the first request. Undefined outside a
 * checkout of the source, because results without a commit cannot be compared.
 */
export function circumstances(): Omit<BenchEntry, 'runs'> | undefined {
  if (!existsSync(join(ROOT, '.git'))) return undefined;
  const all = cpus();
  const [lastMinute = 0, lastFive = 0] = loadavg();
  return {
    at: new Date().toISOString(),
    commit: git('rev-parse', 'HEAD'),
    hasOtherChanges: git('status', '--porcelain', '--', '.', ':!docs/bench') !== '',
    machine: {
      processor: all[0]?.model.trim() || 'unknown',
      cores: all.length,
      memoryGb: Math.round(totalmem() / GB),
      loadBefore: [round(lastMinute), round(lastFive)],
    },
    versions: { dInference: packageJson.version, node: process.version },
  };
}

/** Stores a result and draws the history again. Returns the name of the new file. */
export function storeEntry(entry: Omit<BenchEntry, 'runs'>, runs: readonly BenchRun[]): string {
  mkdirSync(FOLDER, { recursive: true });
  const file = join(
    FOLDER,
    `${entry.at.slice(0, 16).replace(':', '')}-${entry.commit.slice(0, 8)}.json`,
  );
  writeFileSync(file, `${JSON.stringify({ ...entry, runs }, undefined, 2)}\n`);
  writeHistory();
  return file;
}

const git = (...args: string[]): string =>
  execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim();

const round = (value: number): number => Math.round(value * 100) / 100;
