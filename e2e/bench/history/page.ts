import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DRAWN_SERVER, drawHistory, loadName, machineOf } from './chart.ts';
import { type BenchEntry, parseEntry } from './entry.ts';

export const FOLDER = join(import.meta.dirname, '../../../docs/bench');
const CHART = 'history.svg';

/** The stored entries, oldest first. */
export function readEntries(folder = FOLDER): BenchEntry[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .map((file) => parseEntry(readFileSync(join(folder, file), 'utf8')))
    .toSorted((one, other) => (one.at < other.at ? -1 : 1));
}

/** The generated files of docs/bench, by their names. */
export function historyFiles(entries: readonly BenchEntry[]): Record<string, string> {
  return { 'README.md': page(entries), [CHART]: drawHistory(entries) };
}

export function writeHistory(): void {
  for (const [name, text] of Object.entries(historyFiles(readEntries())))
    writeFileSync(join(FOLDER, name), text);
}

function page(entries: readonly BenchEntry[]): string {
  return `${[
    '<!-- This page is generated from the JSON files beside it: DINF_WRITE_API=1 npm test bench/history -->',
    '# History of the benchmark',
    `\`npm run bench\` stores each result of full size here as a JSON file, and writes this page and the
drawing again. Processor time per request comes first, because it depends least on what else the
machine does; still, compare only entries of the same machine, and look at its load before the start.
Lines join entries of the same machine. [performance.md](../performance.md) explains the benchmark.`,
    `![Processor time per request](${CHART})`,
    ...entries.toReversed().map(section),
  ].join('\n\n')}\n`;
}

function section(entry: BenchEntry): string {
  const { at, commit, hasOtherChanges, machine, versions, runs } = entry;
  return [
    `## ${at.slice(0, 16).replace('T', ' ')} UTC, commit ${commit.slice(0, 8)}`,
    '',
    `${machineOf(entry)}, ${machine.memoryGb} GB; load average before the start ${machine.loadBefore.join(' (1 min), ')} (5 min);
d-inference ${versions.dInference}, Node.js ${versions.node}${hasOtherChanges ? '; with changes that are not in the commit' : ''}. Median (least–most) of ${runs[0]?.rounds} rounds.`,
    '',
    '| server | answers | processor ms per request | requests per second | median ms | p99 ms | first byte ms | failed |',
    '|---|---|---|---|---|---|---|---|',
    ...runs
      .toSorted((one, other) => Number(isDrawn(other)) - Number(isDrawn(one)))
      .map(
        (run) =>
          `| ${[
            run.server,
            loadName(run),
            show(run.processorMsPerRequest),
            show(run.requestsPerSecond),
            show(run.medianMs),
            show(run.p99Ms),
            show(run.firstByteMs),
            run.failed,
          ].join(' | ')} |`,
      ),
  ].join('\n');
}

const isDrawn = ({ server }: { server: string }): boolean => server === DRAWN_SERVER;

const show = ({ median, min, max }: { median: number; min: number; max: number }): string =>
  `${median} (${min}–${max})`;
